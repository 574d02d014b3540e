using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Targets;

namespace LoraKit.Ops.Merge;

/// <summary>
/// Whether a base stores a low-rank update's matrix as [out, in] or as [in, out]. The shape says it wherever it is not square. A
/// square one follows the other modules of the same name (GPT-2's <c>c_proj</c> is square in one place only): those the adapter updates,
/// then those of the base, whose biases are as long as their outputs; then the adapter's flag: PEFT writes one flag for a whole model,
/// and the last layer it saw decides what it says.
/// </summary>
internal sealed class Orientations
{
    private readonly Dictionary<string, bool> _seen = new(StringComparer.Ordinal);
    private readonly BiasOrientations _ofBase;

    public Orientations(IEnumerable<AdapterDelta> deltas, Func<AdapterDelta, TensorShape?> shapeOf, Checkpoint @base)
    {
        _ofBase = new(@base);
        HashSet<string> contradicted = new(StringComparer.Ordinal);
        foreach (LowRankDelta delta in deltas.OfType<LowRankDelta>())
        {
            if (shapeOf(delta) is not { } shape || delta.Orientation != WeightOrientation.FromShape || IsSquare(delta)) continue;
            bool? transposed = FitsAsIs(delta, shape) ? false : FitsTransposed(delta, shape) ? true : null;
            if (transposed is not { } known) continue;
            string leaf = delta.Target.Module.Leaf;
            if (!_seen.TryAdd(leaf, known) && _seen[leaf] != known) contradicted.Add(leaf);
        }

        foreach (string leaf in contradicted)
        {
            _seen.Remove(leaf);
        }
    }

    public bool Fits(LowRankDelta delta, TensorShape shape) => delta.Orientation switch
    {
        WeightOrientation.OutIn => FitsAsIs(delta, shape),
        WeightOrientation.InOut => FitsTransposed(delta, shape),
        _ => FitsAsIs(delta, shape) || FitsTransposed(delta, shape),
    };

    public bool IsTransposed(LowRankDelta delta, TensorShape shape) => delta.Orientation switch
    {
        WeightOrientation.OutIn => false,
        WeightOrientation.InOut => true,
        _ when IsSquare(delta) => _seen.TryGetValue(delta.Target.Module.Leaf, out bool seen) ? seen : _ofBase.IsInOut(delta.Target.Module.Leaf) ?? delta.SquareIsInOut,
        _ => !FitsAsIs(delta, shape),
    };

    private static bool IsSquare(LowRankDelta delta) => delta.Down.Shape.Rank == 2 && delta.OutFeatures == delta.InFeatures;

    private static bool FitsAsIs(LowRankDelta delta, TensorShape shape)
    {
        if (shape.Rank != delta.Down.Shape.Rank || shape[0] != delta.OutFeatures) return false;
        for (int i = 1; i < shape.Rank; i++)
        {
            if (shape[i] != delta.Down.Shape[i]) return false;
        }

        return true;
    }

    private static bool FitsTransposed(LowRankDelta delta, TensorShape shape) =>
        shape.Rank == 2 && delta.Down.Shape.Rank == 2 && shape[0] == delta.InFeatures && shape[1] == delta.OutFeatures;
}
