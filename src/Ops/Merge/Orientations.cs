using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Targets;

namespace LoraKit.Ops.Merge;

/// <summary>
/// Whether a base stores an update's matrix as [out, in] or as [in, out]. The shape says it wherever it is not square. A
/// square one follows the other modules of the same name (GPT-2's <c>c_proj</c> is square in one place only): those the adapter updates,
/// then those of the base, whose biases are as long as their outputs; then the adapter's flag: PEFT writes one flag for a whole model,
/// and the last layer it saw decides what it says.
/// </summary>
internal sealed class Orientations
{
    private readonly Dictionary<string, bool> _seen = new(StringComparer.Ordinal);
    private readonly BiasOrientations _ofBase;
    private readonly Checkpoint _base;

    public Orientations(IEnumerable<AdapterDelta> deltas, Func<AdapterDelta, TensorShape?> shapeOf, Checkpoint @base)
    {
        _ofBase = new(@base);
        _base = @base;
        HashSet<string> contradicted = new(StringComparer.Ordinal);
        foreach (AdapterDelta delta in deltas)
        {
            if (shapeOf(delta) is not { } shape || delta.Orientation != WeightOrientation.FromShape) continue;
            (bool asIs, bool turned) = (delta.Fits(shape), FitsTransposed(delta, shape));
            if (asIs == turned) continue;
            string leaf = delta.Target.Module.Leaf;
            if (!_seen.TryAdd(leaf, turned) && _seen[leaf] != turned) contradicted.Add(leaf);
        }

        foreach (string leaf in contradicted)
        {
            _seen.Remove(leaf);
        }
    }

    public static bool Fits(AdapterDelta delta, TensorShape shape) => delta.Orientation switch
    {
        WeightOrientation.OutIn => delta.Fits(shape),
        WeightOrientation.InOut => FitsTransposed(delta, shape),
        _ => delta.Fits(shape) || FitsTransposed(delta, shape),
    };

    /// <param name="delta">The update, which fits.</param>
    /// <param name="shape">The tensor's shape.</param>
    /// <param name="tensor">Its name.</param>
    public bool IsTransposed(AdapterDelta delta, TensorShape shape, string tensor) => delta.Orientation switch
    {
        WeightOrientation.OutIn => false,
        WeightOrientation.InOut => true,
        _ when delta.Fits(shape) && FitsTransposed(delta, shape) =>
            _seen.TryGetValue(delta.Target.Module.Leaf, out bool seen) ? seen : Square(delta, tensor),
        _ => !delta.Fits(shape),
    };

    /// <summary>Files that take every stack of experts for [in, out] do so however it is stored; others know how their model stores it.</summary>
    private bool Square(AdapterDelta delta, string tensor) => delta is ExpertsDelta
        ? delta.SquareIsInOut || (ExpertStorage.IsInOut(_base, tensor) ?? false)
        : _ofBase.IsInOut(delta.Target.Module.Leaf) ?? delta.SquareIsInOut;

    /// <summary>The shape of a matrix, or of a stack of them, the other way round; null for other shapes.</summary>
    public static TensorShape? Turned(TensorShape shape, int rowDimensions) =>
        shape.Rank == rowDimensions + 1 ? new TensorShape([.. shape.Sizes.AsSpan()[..^2], shape.Sizes[^1], shape.Sizes[^2]]) : null;

    private static bool FitsTransposed(AdapterDelta delta, TensorShape shape) => Turned(shape, delta.RowDimensions) is { } turned && delta.Fits(turned);
}
