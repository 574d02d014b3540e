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
            foreach (WeightedDelta delta in edit.Deltas) _updates.Add(delta.Delta, new BaseTarget(edit, delta.Transposed));
        }
    }

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
internal sealed record BaseTarget(TensorEdit Edit, bool IsInOut)
{
    /// <summary>Its shape, as [out, in, …kernel].</summary>
    public TensorShape Weight => IsInOut ? new(Edit.Shape[1], Edit.Shape[0]) : Edit.Shape;

    /// <summary>The way it is stored.</summary>
    public WeightOrientation Orientation => IsInOut ? WeightOrientation.InOut : WeightOrientation.OutIn;

    /// <summary>Its values after replacements, as [out, in·kernel]. A disposable is to be disposed.</summary>
    public IBaseRows Read()
    {
        (long rows, long columns) = Edit.AsMatrix();
        ComposedRows stored = new(Edit, Edit.Base, checked((int)columns));
        if (!IsInOut) return stored;
        using (stored) return TurnedRows.Of(stored, checked((int)rows), (int)columns);
    }
}
