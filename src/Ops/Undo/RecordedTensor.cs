using System.Buffers.Binary;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Merge;

namespace LoraKit.Ops.Undo;

/// <summary>How to take back what a merge does to one tensor, written down tile by tile as the merge goes.</summary>
internal sealed class RecordedTensor
{
    private const int LengthBytes = 4;
    private const int MostAtOnce = 1 << 20; // Bytes read from the spill.

    private readonly StoredTensor _original;
    private readonly Prediction _prediction;
    private readonly IReadOnlyList<UndoUpdate> _updates;
    private readonly bool _inDoubles;
    private readonly UndoSpill _spill;
    private readonly int[] _codeLengths;
    private readonly long[] _codeOffsets;
    private BlockHashes? _before;
    private BlockHashes? _after;
    private string _beforeHash = "";
    private string _afterHash = "";
    private long _corrections;

    public RecordedTensor(StoredTensor original, BlockCut cut, Prediction prediction, IReadOnlyList<UndoUpdate> updates, bool inDoubles, UndoSpill spill)
    {
        _original = original;
        Cut = cut;
        _prediction = prediction;
        _updates = updates;
        _inDoubles = inDoubles;
        _spill = spill;
        _codeLengths = new int[cut.OriginalBlocks];
        _codeOffsets = new long[cut.OriginalBlocks];
        _before = new(cut.OriginalBlocks);
        _after = new(cut.MergedBlocks);
    }

    public BlockCut Cut { get; }

    /// <summary>Whether the base is predicted by subtracting all updates.</summary>
    public bool SubtractsUpdates => _updates.Count > 0;

    /// <summary>Elements that have a correction.</summary>
    public long Corrections => Interlocked.Read(ref _corrections);

    /// <summary>Its bytes in the base.</summary>
    public long OriginalBytes => _original.Info.ByteLength;

    /// <summary>Writes down a tile, whose first row is a block's.</summary>
    /// <param name="firstRow">The first row.</param>
    /// <param name="rows">Rows before or after the merge, whichever are more.</param>
    /// <param name="original">The base's bytes, where they are at hand.</param>
    /// <param name="merged">What became of them.</param>
    /// <param name="predicted">The prediction, where the merge made it on the way; else empty.</param>
    /// <param name="context">Buffers, and the right to compute.</param>
    public void Record(long firstRow, int rows, ReadOnlySpan<byte> original, ReadOnlySpan<byte> merged, ReadOnlySpan<byte> predicted, JobContext context)
    {
        int originalBytes = checked(Cut.Original(firstRow, rows) * Cut.OriginalRowBytes);
        if (original.IsEmpty && originalBytes > 0)
        {
            Span<byte> read = context.Buffers.Original(originalBytes);
            _original.ReadBytes(firstRow * Cut.OriginalRowBytes, read);
            original = read;
        }

        int blocks = (rows + Cut.BlockRows - 1) / Cut.BlockRows;
        Span<byte> codes = context.Buffers.Codes(originalBytes + (blocks * BlockEncoder.Overhead));
        context.Computing.Wait(context.Cancellation);
        try
        {
            codes = Encode(firstRow, original, merged, predicted, codes, context.Buffers);
        }
        finally
        {
            context.Computing.Release();
        }

        long offset = codes.Length > 0 ? _spill.Append(codes) : 0;
        for (long block = firstRow / Cut.BlockRows, end = Math.Min(block + blocks, _codeLengths.Length); block < end; block++)
        {
            _codeOffsets[block] = offset;
            offset += _codeLengths[block];
        }
    }

    /// <summary>After the last tile.</summary>
    public void Finish()
    {
        (_beforeHash, _afterHash) = (_before!.Finish(), _after!.Finish());
        (_before, _after) = (null, null);
    }

    /// <summary>Lets the updates go.</summary>
    public void Release() => _prediction.Dispose();

    /// <summary>What the manifest says of it.</summary>
    public UndoTensor Describe() => new(
        _original.Name, Cut.MergedType.FileName(), Cut.Columns, Cut.BlockRows, _inDoubles, _updates, Corrections, _beforeHash, _afterHash);

    /// <summary>Its codes as they are stored: the length of each block's, then those.</summary>
    public TensorToWrite Codes()
    {
        long table = (long)_codeLengths.Length * LengthBytes;
        long length = table + _codeLengths.Sum(l => (long)l);
        int block = 0;
        long blockStart = table; // Asked for in ascending order.
        return new(UndoNames.Codes(_original.Name), DType.U8, new(length), Fill);

        void Fill(long start, Span<byte> destination)
        {
            Span<byte> entry = stackalloc byte[LengthBytes];
            while (destination.Length > 0)
            {
                int now;
                if (start < table)
                {
                    BinaryPrimitives.WriteInt32LittleEndian(entry, _codeLengths[start / LengthBytes]);
                    ReadOnlySpan<byte> rest = entry[(int)(start % LengthBytes)..];
                    now = Math.Min(rest.Length, destination.Length);
                    rest[..now].CopyTo(destination);
                }
                else
                {
                    for (; start >= blockStart + _codeLengths[block]; block++)
                    {
                        blockStart += _codeLengths[block];
                    }

                    int from = (int)(start - blockStart);
                    now = Math.Min(KeptTogether(block) - from, destination.Length);
                    _spill.Read(_codeOffsets[block] + from, destination[..now]);
                }

                destination = destination[now..];
                start += now;
            }
        }
    }

    /// <summary>Bytes of the codes from a block on that lie one after the other in the spill: those of a tile, or more.</summary>
    private int KeptTogether(int block)
    {
        int bytes = _codeLengths[block];
        while (bytes <= MostAtOnce && ++block < _codeLengths.Length && _codeOffsets[block] == _codeOffsets[block - 1] + _codeLengths[block - 1])
        {
            bytes += _codeLengths[block];
        }

        return bytes;
    }

    private Span<byte> Encode(
        long firstRow, ReadOnlySpan<byte> original, ReadOnlySpan<byte> merged, ReadOnlySpan<byte> predicted, Span<byte> codes, TileBuffers buffers)
    {
        int originalBytes = checked(Cut.BlockRows * Cut.OriginalRowBytes), mergedBytes = checked(Cut.BlockRows * Cut.MergedRowBytes);
        int written = 0;
        long corrections = 0;

        // All that is done to a block is done while it is in the cache.
        for (long block = firstRow / Cut.BlockRows; original.Length > 0 || merged.Length > 0; block++)
        {
            ReadOnlySpan<byte> before = original[..Math.Min(originalBytes, original.Length)], after = merged[..Math.Min(mergedBytes, merged.Length)];
            if (before.Length > 0)
            {
                ReadOnlySpan<byte> prediction = predicted.IsEmpty ? Predict(block, after, buffers.Prediction(before.Length)) : predicted[..before.Length];
                _before!.Add(block, before);
                _codeLengths[block] = buffers.Encoder.Encode(Cut.OriginalType.Bytes(), before, prediction, codes[written..]);
                written += _codeLengths[block];
                corrections += buffers.Encoder.Corrections;
            }

            if (after.Length > 0) _after!.Add(block, after);
            predicted = predicted[Math.Min(before.Length, predicted.Length)..];
            original = original[before.Length..];
            merged = merged[after.Length..];
        }

        Interlocked.Add(ref _corrections, corrections);
        return codes[..written];
    }

    private Span<byte> Predict(long block, ReadOnlySpan<byte> merged, Span<byte> prediction)
    {
        _prediction.Fill(block * Cut.BlockRows, merged, prediction);
        return prediction;
    }
}
