using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Merge;

namespace LoraKit.Ops.Undo;

/// <summary>
/// What the base must have held, as far as the merged values and the updates tell: P = round(W' − ΔW), in the managed arithmetic that is
/// the same everywhere, whatever made W'. Where updates do not tell (replaced values, updates that need the base), P = round(W').
/// </summary>
internal sealed class Prediction : IDisposable
{
    private readonly BlockCut _cut;
    private readonly ReferenceSums? _updates;

    /// <param name="name">The tensor's, for messages.</param>
    /// <param name="merged">The shape after the merge.</param>
    /// <param name="cut">Types and rows.</param>
    /// <param name="deltas">The updates that are taken back, in order; all are <see cref="Subtracts">subtracted</see>.</param>
    /// <param name="inDoubles">Whether their sum is made in F64.</param>
    public Prediction(string name, TensorShape merged, BlockCut cut, IReadOnlyList<WeightedDelta> deltas, bool inDoubles)
    {
        _cut = cut;
        if (deltas.Count > 0) _updates = new(new(name, merged, deltas, inDoubles, null));
    }

    /// <summary>Whether a kind of update can be subtracted without knowing the base. Other kinds are predicted as if they did nothing.</summary>
    public static bool Subtracts(AdapterDelta delta) => !delta.NeedsBase && delta.IsReproducible;

    /// <summary>Predicts a tile.</summary>
    /// <param name="firstRow">Its first row.</param>
    /// <param name="merged">Its rows after the merge; rows that only the original has are predicted as zeros.</param>
    /// <param name="prediction">As many rows as the original has of the tile.</param>
    public void Fill(long firstRow, ReadOnlySpan<byte> merged, Span<byte> prediction)
    {
        int rows = Math.Min(merged.Length / Math.Max(_cut.MergedRowBytes, 1), prediction.Length / Math.Max(_cut.OriginalRowBytes, 1));
        prediction[(rows * _cut.OriginalRowBytes)..].Clear();
        if (rows == 0) return;
        ReadOnlySpan<byte> source = merged[..(rows * _cut.MergedRowBytes)];
        Span<byte> destination = prediction[..(rows * _cut.OriginalRowBytes)];
        if (_updates is not null)
        {
            Tile tile = new()
            {
                Source = source,
                SourceType = _cut.MergedType,
                Destination = destination,
                DestinationType = _cut.OriginalType,
                Rows = rows,
                Columns = _cut.Columns,
            };
            _updates.Subtract(tile, firstRow);
        }
        else if (_cut.MergedType == _cut.OriginalType)
        {
            source.CopyTo(destination);
        }
        else
        {
            FloatConvert.Cast(_cut.MergedType, source, _cut.OriginalType, destination);
        }
    }

    /// <summary>Lets the updates go.</summary>
    public void Dispose() => _updates?.Dispose();
}
