using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Merge;
using LoraKit.Ops.Undo;

namespace LoraKit.Ops.Unmerge;

/// <summary>
/// A tensor from which updates are subtracted, P = round(W' − ΔW). P is the base's value for sure where it alone merges to W' again; merging is
/// monotone, so it is enough to merge P and its two neighbours. All other elements may differ.
/// </summary>
internal sealed class SubtractedTensor : TensorTiles
{
    private readonly StoredTensor _merged;
    private readonly RestorationCounts _counts;
    private readonly ReferenceSums _updates;
    private readonly long _rows;
    private readonly int _columns;
    private readonly int _elementBytes;

    public SubtractedTensor(StoredTensor merged, TensorEdit edit, TensorInfo target, OutputFile file, RestorationCounts counts)
        : base(target, file)
    {
        _merged = merged;
        _counts = counts;
        _updates = new(new(edit.Name, target.Shape, edit.Deltas, target.DType == DType.F64 || edit.IsComposed, null));
        (_rows, long columns) = edit.AsMatrix();
        _columns = checked((int)columns);
        _elementBytes = target.DType.Bytes();
    }

    public override IEnumerable<MergeJob> Tiles(int tileBytes) =>
        Cut(_rows, (long)_columns * _elementBytes, tileBytes, 1).Select(tile => new Job(this, tile.First, tile.Count));

    public override void Release() => _updates.Dispose();

    private void Subtract(long firstRow, int rows, JobContext context)
    {
        int bytes = checked(rows * _columns * _elementBytes);
        Span<byte> merged = context.Buffers.Source(bytes), predicted = context.Buffers.Destination(bytes);
        _merged.ReadBytes(firstRow * _columns * _elementBytes, merged);
        context.Computing.Wait(context.Cancellation);
        try
        {
            int rowBytes = _columns * _elementBytes, pieceRows = BlockCut.RowsFor(BlockCut.PreferredElements, _columns);
            for (int row = 0; row < rows; row += pieceRows)
            {
                int now = Math.Min(pieceRows, rows - row);
                Span<byte> source = merged.Slice(row * rowBytes, now * rowBytes), destination = predicted.Slice(row * rowBytes, now * rowBytes);
                _updates.Subtract(Tile(source, destination, now), firstRow + row);
                _counts.AddMayDiffer(CountAmbiguous(context, source, destination, firstRow + row, now));
            }
        }
        finally
        {
            context.Computing.Release();
        }

        File.Write(Target.Offset + (firstRow * _columns * _elementBytes), predicted);
        TileDone();
    }

    private long CountAmbiguous(JobContext context, ReadOnlySpan<byte> merged, ReadOnlySpan<byte> predicted, long firstRow, int rows) => _elementBytes switch
    {
        1 => CountAmbiguous<byte>(context, merged, predicted, firstRow, rows),
        2 => CountAmbiguous<ushort>(context, merged, predicted, firstRow, rows),
        4 => CountAmbiguous<uint>(context, merged, predicted, firstRow, rows),
        _ => CountAmbiguous<ulong>(context, merged, predicted, firstRow, rows),
    };

    private long CountAmbiguous<T>(JobContext context, ReadOnlySpan<byte> merged, ReadOnlySpan<byte> predicted, long firstRow, int rows)
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        Span<byte> neighbours = context.Buffers.Prediction(merged.Length), again = context.Buffers.Original(merged.Length);
        int elements = rows * _columns, masks = (elements + EqualElements.Lanes - 1) / EqualElements.Lanes;
        Span<ulong> certain = MemoryMarshal.Cast<byte, ulong>(context.Buffers.Codes(masks * sizeof(ulong)));
        certain.Fill(ulong.MaxValue);
        _updates.Add(Tile(predicted, again, rows), firstRow);
        Keep<T>(certain, again, merged, wanted: true);
        foreach (bool below in (ReadOnlySpan<bool>)[false, true])
        {
            Ordinals<T>.Neighbours(MemoryMarshal.Cast<byte, T>(predicted), MemoryMarshal.Cast<byte, T>(neighbours), below);
            _updates.Add(Tile(neighbours, again, rows), firstRow);
            Keep<T>(certain, again, merged, wanted: false);
        }

        long count = 0;
        foreach (ulong mask in certain)
        {
            count += BitOperations.PopCount(mask);
        }

        return elements - count;
    }

    /// <summary>Keeps the bits of elements that are, or are not, the same in both.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Keep<T>(Span<ulong> masks, ReadOnlySpan<byte> one, ReadOnlySpan<byte> other, bool wanted)
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        ReadOnlySpan<T> first = MemoryMarshal.Cast<byte, T>(one), second = MemoryMarshal.Cast<byte, T>(other);
        ulong unwanted = wanted ? 0 : ulong.MaxValue;
        for (int i = 0; i < masks.Length; i++)
        {
            masks[i] &= EqualElements.Mask(first, second, i * EqualElements.Lanes) ^ unwanted;
        }
    }

    private Tile Tile(ReadOnlySpan<byte> source, Span<byte> destination, int rows) => new()
    {
        Source = source,
        SourceType = Target.DType,
        Destination = destination,
        DestinationType = Target.DType,
        Rows = rows,
        Columns = _columns,
    };

    private sealed class Job(SubtractedTensor tensor, long firstRow, int rows) : MergeJob
    {
        public override string Name => tensor.Target.Name;

        public override long Bytes => (long)rows * tensor._columns * tensor._elementBytes;

        public override void Run(JobContext context) => tensor.Subtract(firstRow, rows, context);
    }
}
