using LoraKit.Formats.Adapters;
using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Merge;
using LoraKit.Ops.Targets;

namespace LoraKit.Ops.Conversion;

/// <summary>Where a merge would put an adapter's updates and replacements: the tensors of its base, checked as a merge checks them.</summary>
internal sealed class BaseTargets
{
    private readonly Dictionary<AdapterDelta, BaseTarget> _updates = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<TensorValue, string> _replacements = new(ReferenceEqualityComparer.Instance);

    /// <exception cref="Formats.TargetMismatchException">Something finds no place; all of it is listed.</exception>
    public BaseTargets(Adapter adapter, Checkpoint @base)
    {
        EditPlanner planner = new(@base);
        planner.Add(adapter, new AdapterInput(adapter.Path));
        planner.Finish();
        planner.Require(@base.Path, allowUnmatched: false);
        Modules = BaseNames.ModulesOf(@base.Tensors.Keys);
        Warnings = planner.Warnings;
        foreach (TensorEdit edit in planner.Edits.Values)
        {
            if (edit.Whole is { } whole) _replacements[whole.Values] = edit.Name;
            foreach (WeightedRow row in edit.Rows.Values) _replacements[row.Values] = edit.Name;
        }

        foreach (var update in planner.Edits.Values.SelectMany(edit => edit.Deltas.Select(delta => (Edit: edit, Delta: delta))).GroupBy(u => u.Delta.Delta, ReferenceEqualityComparer.Instance))
        {
            HasNames &= update.All(u => u.Delta is { Rows: null, Region: not { IsRows: true } });
            BaseTarget[] places = [.. update.Select(u => new BaseTarget(u.Edit, u.Delta.Transposed, u.Delta.Region) { Rows = u.Delta.Rows })];
            _updates.Add(update.First().Delta.Delta, places is [{ Rows: null } only] ? only : places[0] with { Parts = places });
        }
    }

    /// <summary>Whether the base has a name of its own for everything but experts: no update is rows of a tensor, or of several.</summary>
    public bool HasNames { get; } = true;

    /// <summary>Every module of the base that has a weight.</summary>
    public IReadOnlyCollection<ModuleName> Modules { get; }

    /// <summary>What the user should know.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>Where an update goes; null where the base lacks the bias it is for, or has it by another update.</summary>
    public BaseTarget? Of(AdapterDelta delta) => _updates.GetValueOrDefault(delta);

    /// <summary>The base's name of what is replaced; null where that is the same tensor as another.</summary>
    public string? Of(Replacement replacement) => _replacements.GetValueOrDefault(replacement.Values);
}

/// <summary>The tensor that an update is for.</summary>
/// <param name="Edit">What happens to it.</param>
/// <param name="IsInOut">Whether it is stored as [in, out].</param>
/// <param name="Region">What of it the weight is; null for all of it.</param>
internal sealed record BaseTarget(TensorEdit Edit, bool IsInOut, Region? Region)
{
    /// <summary>Which rows of the weight it is; null for all.</summary>
    public RowRange? Rows { get; init; }

    /// <summary>The tensors, or regions, that have the weight's rows, where they are several; this is the first.</summary>
    public IReadOnlyList<BaseTarget> Parts { get; init; } = [];

    /// <summary>How the base names the weight; null for a part of a tensor, which has no name.</summary>
    public ParameterName? Name => Region is null && Rows is null ? BaseNames.ParameterOf(Edit.Name) : null;

    /// <summary>The weight's shape, as [out, in, …kernel].</summary>
    public TensorShape Weight => Rows?.Whole(Part) ?? Part;

    private TensorShape Part => Region is not null ? Region.Weight(Edit.Shape, IsInOut) : IsInOut ? new(Edit.Shape[1], Edit.Shape[0]) : Edit.Shape;

    /// <summary>The way it is stored, where it is a tensor by itself.</summary>
    public WeightOrientation? Orientation => Region is not null || Rows is not null ? null : IsInOut ? WeightOrientation.InOut : WeightOrientation.OutIn;

    /// <summary>Its values after replacements, as [out, in·kernel].</summary>
    /// <param name="stored">What they are read from, to be disposed after them.</param>
    public IBaseRows Read(out IDisposable stored)
    {
        if (Parts.Count == 0) return ReadPart(out stored);
        JoinedRows joined = new([.. Parts.Select(part => (part.ReadPart(out IDisposable of), of, part.Rows!))], checked((int)Part.AsMatrix().Columns));
        stored = joined;
        return joined;
    }

    private IBaseRows ReadPart(out IDisposable stored)
    {
        (_, long columns) = Edit.AsMatrix();
        ComposedRows composed = new(Edit, Edit.Base, checked((int)columns));
        stored = composed;
        IBaseRows rows = Region is null ? composed : RegionContribution.Base(composed, Region, (int)columns)!;
        return IsInOut ? TurnedRows.Of(rows, checked((int)Weight[1]), checked((int)Weight[0])) : rows;
    }

    /// <summary>Rows that lie in several places.</summary>
    private sealed class JoinedRows(IReadOnlyList<(IBaseRows Rows, IDisposable Stored, RowRange Range)> parts, int columns) : IBaseRows, IDisposable
    {
        public void Read(long firstRow, int rows, Span<double> values)
        {
            foreach ((IBaseRows part, _, RowRange range) in parts)
            {
                long first = Math.Max(firstRow, range.First), end = Math.Min(firstRow + rows, range.First + range.Count);
                if (first < end) part.Read(first - range.First, (int)(end - first), values.Slice((int)(first - firstRow) * columns, (int)(end - first) * columns));
            }
        }

        public void Dispose()
        {
            foreach ((_, IDisposable stored, _) in parts) stored.Dispose();
        }
    }
}
