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
            (TensorEdit edit, WeightedDelta first) = update.First();
            _updates.Add(first.Delta, new BaseTarget(edit, first.Transposed, first.Region) { Parts = first.Whole });
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
    /// <summary>The tensors, or regions, that have the weight's rows, where they are several; the first is this.</summary>
    public IReadOnlyList<WeightPart> Parts { get; init; } = [];

    /// <summary>How the base names the weight; null for a part of a tensor, which has no name.</summary>
    public ParameterName? Name => Region is null && Parts.Count == 0 ? BaseNames.ParameterOf(Edit.Name) : null;

    /// <summary>The weight's shape, as [out, in, …kernel].</summary>
    public TensorShape Weight => Parts.Count == 0 ? Part : Parts[0].Rows.Whole(Part);

    private TensorShape Part => Region is not null ? Region.Weight(Edit.Shape, IsInOut) : IsInOut ? new(Edit.Shape[1], Edit.Shape[0]) : Edit.Shape;

    /// <summary>The way it is stored, where it is a tensor by itself.</summary>
    public WeightOrientation? Orientation => Region is not null || Parts.Count > 0 ? null : IsInOut ? WeightOrientation.InOut : WeightOrientation.OutIn;

    /// <summary>Its values after replacements, as [out, in·kernel].</summary>
    /// <param name="stored">What they are read from, to be disposed after them.</param>
    public IBaseRows Read(out IDisposable stored)
    {
        if (Parts.Count > 0)
        {
            JoinedRows joined = new(Parts);
            stored = joined;
            return joined;
        }

        (_, long columns) = Edit.AsMatrix();
        ComposedRows composed = new(Edit, Edit.Base, checked((int)columns));
        stored = composed;
        IBaseRows rows = Region is null ? composed : RegionContribution.Base(composed, Region, (int)columns)!;
        return IsInOut ? TurnedRows.Of(rows, checked((int)Weight[1]), checked((int)Weight[0])) : rows;
    }
}
