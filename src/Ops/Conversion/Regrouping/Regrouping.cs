using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Names;
using LoraKit.Ops.Adapters;

namespace LoraKit.Ops.Conversion.Regrouping;

/// <summary>
/// An adapter's updates under the names of another layout: most are renamed, those of fused weights divided or put together, and rows that the other model has in another order
/// moved. See spec/layouts/names.md.
/// </summary>
internal sealed class Regrouping
{
    private const int MostListed = 5;
    private readonly Dictionary<ModuleName, (WeightGroup Group, int Module)> _places = [];
    private readonly HashSet<AdapterDelta> _indivisible = new(ReferenceEqualityComparer.Instance);
    private readonly string _path;

    /// <param name="adapter">As it was read.</param>
    /// <param name="architecture">Whose modules they are: all of them.</param>
    /// <param name="layout">The layout that is written.</param>
    /// <exception cref="UnsupportedException">The layout has no words for a part of the model, or PEFT for several.</exception>
    public Regrouping(Adapter adapter, Architecture architecture, string layout)
    {
        _path = adapter.Path;
        Architecture = architecture;
        foreach (ModuleName module in adapter.Deltas.Select(delta => delta.Target.Module).Concat(adapter.Replacements.Select(replacement => replacement.Target.Module)).Distinct())
        {
            (ModelPart part, NamePlace place) = architecture.Find(module.Path)!.Value;
            PartSpelling spelling = part.Spellings.GetValueOrDefault(layout)
                ?? throw new UnsupportedException($"{Printable.Text(_path)}: the layout {layout} has no names for the {part.Name} of {architecture.Name} ('{Printable.Text(module.Path)}')", _path, module.Path);
            _places.Add(module, (new(part, place.Rule, place.Numbers, place.Naming == Naming.Diffusers, spelling), place.Module));
        }

        foreach (IGrouping<object, AdapterDelta> weight in adapter.Deltas.Where(Changes).GroupBy(delta => (object)(_places[delta.Target.Module].Group.Key, delta.Target.Parameter)))
        {
            NameRule rule = _places[weight.First().Target.Module].Group.Rule;
            bool isFusing = rule.IsFused && _places[weight.First().Target.Module].Group.IsDivided;
            if (!(isFusing ? FusedUpdate.Can([.. weight], rule.Diffusers.Count) : weight.All(RowsOfUpdate.Has))) _indivisible.UnionWith(weight);
        }

        ModelPart[] parts = [.. _places.Values.Select(place => place.Group.Part).Distinct()];
        if (parts.Length > 1 && parts.All(part => part.Spellings[layout].Prefix.Length == 0))
        {
            throw new UnsupportedException(
                $"{Printable.Text(_path)}: updates {string.Join(" and ", parts.Select(part => part.Name))}, and an adapter of the layout {layout} is of one model; expected another layout, such as diffusers", _path);
        }
    }

    /// <summary>Whose names they are.</summary>
    public Architecture Architecture { get; }

    /// <summary>Whether an update's factors have to be taken apart, put together or put in order; else it is renamed alone.</summary>
    public bool Changes(AdapterDelta delta) => !_places[delta.Target.Module].Group.IsRename;

    /// <summary>Whether it has to become plain LoRA first: its kind cannot be taken apart, put together or put in order as it is.</summary>
    public bool NeedsFactors(AdapterDelta delta) => _indivisible.Contains(delta);

    /// <summary>How the result names what is renamed alone; another keeps its name until it is regrouped.</summary>
    public ParameterName NameOf(ParameterName target)
    {
        (WeightGroup group, int module) = _places[target.Module];
        return group.IsRename ? new(group.Name(module), ParameterOf(target, group)) : target;
    }

    /// <summary>The modules of the result that a module's weight may be in.</summary>
    public IEnumerable<ModuleName> NamesOf(ModuleName source)
    {
        (WeightGroup group, int module) = _places[source];
        if (group.IsRename) return [group.Name(module)];
        return Enumerable.Range(0, group.Rule.Modules(group.Target.Naming).Count).Select(group.Name);
    }

    /// <summary>The updates of the result, in the order of their first sources.</summary>
    /// <param name="deltas">Those that are renamed already, and those that are not.</param>
    /// <param name="type">The element type of what is computed.</param>
    /// <param name="withValues">Whether values are looked at; without, what comes out has the shapes of the largest result.</param>
    /// <exception cref="UnsupportedException">Shapes do not divide as the architecture's do, or kinds cannot be put together.</exception>
    public IReadOnlyList<AdapterDelta> Apply(IReadOnlyList<AdapterDelta> deltas, FactorType type, bool withValues)
    {
        Dictionary<object, List<AdapterDelta>> groups = [];
        List<object> order = [];
        foreach (AdapterDelta delta in deltas)
        {
            object key = _places.TryGetValue(delta.Target.Module, out var place) && !place.Group.IsRename ? (place.Group.Key, delta.Target.Parameter) : delta;
            if (!groups.TryGetValue(key, out List<AdapterDelta>? members)) groups.Add(key, members = []);
            if (members.Count == 0) order.Add(key);
            members.Add(delta);
        }

        return [.. order.SelectMany(key => key is AdapterDelta alone ? [alone] : Regrouped(groups[key], deltas, type, withValues))];
    }

    /// <summary>The full values of the result.</summary>
    /// <exception cref="UnsupportedException">Shapes do not divide as the architecture's do, or parts are missing.</exception>
    public IReadOnlyList<Replacement> Apply(IReadOnlyList<Replacement> replacements)
    {
        List<Replacement> result = [];
        HashSet<object> done = [];
        foreach (Replacement replacement in replacements)
        {
            (WeightGroup group, int module) = _places[replacement.Target.Module];
            string parameter = ParameterOf(replacement.Target, group);
            if (group.IsRename)
            {
                result.Add(new(new(group.Name(module), parameter), replacement.Values, replacement.Rows, replacement.Reason));
            }
            else if (replacement.Rows is null && done.Add((group.Key, parameter)))
            {
                Replacement[] members = [.. replacements.Where(other => other.Target.Parameter == replacement.Target.Parameter && _places[other.Target.Module].Group.Key == group.Key)];
                // A full difference from nothing: taken apart and put together like one.
                AdapterDelta[] values = [.. members.Select(member => new DenseDelta(member.Target, member.Values, 1))];
                if (group.IsDivided && members.Length < group.Rule.Diffusers.Count) throw Unfit(group, values[0], "is replaced in full, but not all parts of its weight are");
                result.AddRange(Regrouped(values, values, FactorType.Exact, false).Select(delta => new Replacement(delta.Target, ((DenseDelta)delta).Values, null, replacement.Reason)));
            }
            else if (replacement.Rows is not null)
            {
                throw new UnsupportedException($"{Printable.Text(_path)}: '{Printable.Text(replacement.Target.Path)}' replaces single rows of a weight that the other layout has in parts", _path, replacement.Target.Path);
            }
        }

        return result;
    }

    private IEnumerable<AdapterDelta> Regrouped(IReadOnlyList<AdapterDelta> members, IReadOnlyList<AdapterDelta> all, FactorType type, bool withValues)
    {
        (WeightGroup group, int _) = _places[members[0].Target.Module];
        NameRule rule = group.Rule;
        string parameter = ParameterOf(members[0].Target, group);
        if (members.GroupBy(member => member.Target).FirstOrDefault(same => same.Skip(1).Any()) is { } twice) throw Unfit(group, twice.First(), "has several updates; expected one (stack them first)");
        if (members.FirstOrDefault(member => member.Shape is { Rank: 0 }) is { } scalar) throw Unfit(group, scalar, "is one number");
        if (members.FirstOrDefault(member => Inner(member) != Inner(members[0])) is { } other) throw Unfit(group, other, $"is {other.Shape}, and another part of its weight {members[0].Shape}");
        long columns = members.Concat(all.Where(delta => _places.TryGetValue(delta.Target.Module, out var place) && place.Group.Key == group.Key))
            .Select(member => member.Shape).FirstOrDefault(shape => shape is { Rank: > 1 }) is { } matrix ? matrix[1] : 0;
        if (!group.IsDivided)
        {
            long[] parts = rule.Division.OfWhole(members[0].Shape!.Value[0], columns, rule.Diffusers.Count)
                ?? throw Unfit(group, members[0], $"is {members[0].Shape}, which does not divide into {string.Join(", ", rule.Diffusers)}");
            ParameterName[] targets = [.. Enumerable.Range(0, parts.Length).Select(part => new ParameterName(group.Name(part), parameter))];
            if (rule.IsFused) return DividedUpdate.Of(members[0], parts, targets, withValues);
            return [RowsOfUpdate.Take(members[0], targets[0], [.. rule.Division.Segments(parts, columns).OrderBy(segment => segment.PartFirst).Select(segment => (segment.First, segment.Rows))])];
        }

        long?[] given = new long?[rule.Diffusers.Count];
        foreach (AdapterDelta member in members) given[_places[member.Target.Module].Module] = member.Shape!.Value[0];
        long[] rows = rule.Division.OfParts(given, columns)
            ?? throw Unfit(group, members[0], $"and the others of its weight have {string.Join(", ", given.Select(count => count?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "no"))} rows, which do not make {rule.Original} of {columns} inputs");
        ParameterName target = new(group.Name(0), parameter);
        if (!rule.IsFused) return [RowsOfUpdate.Take(members[0], target, [.. rule.Division.Segments(rows, columns).OrderBy(segment => segment.First).Select(segment => (segment.PartFirst, segment.Rows))])];
        return [new FusedUpdate(target, rows, type, withValues).Of([.. members.Select(member => (_places[member.Target.Module].Module, member)).OrderBy(member => member.Module)])];
    }

    /// <summary>The elements of a row.</summary>
    private static long Inner(AdapterDelta member) => member.Shape!.Value.ElementCount / member.Shape.Value[0];

    /// <summary>In the words that adapters have: only checkpoints have the original's own.</summary>
    private static string ParameterOf(ParameterName target, WeightGroup group) => target.Parameter == group.Rule.OriginalParameter ? "weight" : target.Parameter;

    private UnsupportedException Unfit(WeightGroup group, AdapterDelta delta, string what) =>
        new($"{Printable.Text(_path)}: '{Printable.Text(delta.Target.Path)}' {what}; expected the shapes of {Architecture.Name} ({group.Rule.Original})", _path, delta.Target.Path);

    /// <summary>Some names, for messages.</summary>
    internal static string List(IReadOnlyList<string> names) =>
        string.Join(", ", names.Take(MostListed).Select(name => $"'{Printable.Text(name)}'")) + (names.Count > MostListed ? ", …" : "");
}
