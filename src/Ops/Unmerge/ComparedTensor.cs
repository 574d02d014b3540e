using System.Numerics;
using System.Runtime.InteropServices;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Merge;
using LoraKit.Ops.Undo;

namespace LoraKit.Ops.Unmerge;

/// <summary>A tensor of the base that is written as it is, and compared with the merged model's on the way.</summary>
internal sealed class ComparedTensor : TensorTiles
{
    private readonly StoredTensor _base;
    private readonly StoredTensor _merged;
    private readonly TensorWork? _expected;
    private readonly RestorationCounts _counts;
    private readonly MergeComparison _comparison;
    private readonly BlockCut _cut;
    private long _changed;

    /// <param name="base">The base's tensor.</param>
    /// <param name="merged">What it became.</param>
    /// <param name="expected">What it should have become; null where nobody knows.</param>
    /// <param name="target">Its place in the output.</param>
    /// <param name="file">The output.</param>
    /// <param name="counts">Told how many elements changed.</param>
    /// <param name="comparison">Told what is not as expected.</param>
    public ComparedTensor(
        StoredTensor @base, StoredTensor merged, TensorWork? expected, TensorInfo target, OutputFile file, RestorationCounts counts, MergeComparison comparison)
        : base(target, file)
    {
        (_base, _merged, _expected, _counts, _comparison) = (@base, merged, expected, counts, comparison);
        int columns = Math.Max(expected?.Columns ?? 1, 1);
        _cut = new(columns, 1, @base.DType, @base.Shape.ElementCount / columns, merged.DType, merged.Shape.ElementCount / columns);
    }

    public override IEnumerable<MergeJob> Tiles(int tileBytes) =>
        Cut(Math.Max(_cut.OriginalRows, _cut.MergedRows), Math.Max(_cut.OriginalRowBytes, _cut.MergedRowBytes), tileBytes, 1)
            .Select(tile => new Job(this, tile.First, tile.Count));

    public override void Release() => _expected?.Release();

    protected override void Finish()
    {
        if (_changed > 0 || _base.Shape != _merged.Shape || _base.DType != _merged.DType) _comparison.AddChanged();
        _counts.AddRepaired(_changed);
    }

    private void Copy(long firstRow, int rows, JobContext context)
    {
        if (_expected is not null && _cut.Merged(firstRow, rows) > 0)
        {
            ReadOnlySpan<byte> expected = new TileJob(_expected, firstRow, rows).Make(context, out _);
            Span<byte> found = ReadMerged(firstRow, rows, context);
            int bytes = _cut.MergedType.Bytes();
            long count = CountDifferent(bytes, expected, found);
            if (count > 0) _comparison.AddUnexpected(_merged.Name, count, WorstUlp(bytes, expected, found));
        }

        Span<byte> original = context.Buffers.Original(checked(_cut.Original(firstRow, rows) * _cut.OriginalRowBytes));
        if (original.Length > 0) _base.ReadBytes(firstRow * _cut.OriginalRowBytes, original);
        if (_cut.OriginalType == _cut.MergedType)
        {
            Span<byte> found = ReadMerged(firstRow, rows, context);
            int common = Math.Min(found.Length, original.Length);
            Interlocked.Add(ref _changed, CountDifferent(_cut.OriginalType.Bytes(), original[..common], found[..common]));
        }

        if (original.Length > 0) File.Write(Target.Offset + (firstRow * _cut.OriginalRowBytes), original);
        TileDone();
    }

    private Span<byte> ReadMerged(long firstRow, int rows, JobContext context)
    {
        Span<byte> merged = context.Buffers.Prediction(checked(_cut.Merged(firstRow, rows) * _cut.MergedRowBytes));
        if (merged.Length > 0) _merged.ReadBytes(firstRow * _cut.MergedRowBytes, merged);
        return merged;
    }

    private static long CountDifferent(int elementBytes, ReadOnlySpan<byte> one, ReadOnlySpan<byte> other) => elementBytes switch
    {
        1 => EqualElements.CountDifferent(one, other),
        2 => EqualElements.CountDifferent(MemoryMarshal.Cast<byte, ushort>(one), MemoryMarshal.Cast<byte, ushort>(other)),
        4 => EqualElements.CountDifferent(MemoryMarshal.Cast<byte, uint>(one), MemoryMarshal.Cast<byte, uint>(other)),
        _ => EqualElements.CountDifferent(MemoryMarshal.Cast<byte, ulong>(one), MemoryMarshal.Cast<byte, ulong>(other)),
    };

    private static ulong WorstUlp(int elementBytes, ReadOnlySpan<byte> one, ReadOnlySpan<byte> other) => elementBytes switch
    {
        1 => WorstUlp<byte>(one, other),
        2 => WorstUlp<ushort>(one, other),
        4 => WorstUlp<uint>(one, other),
        _ => WorstUlp<ulong>(one, other),
    };

    private static ulong WorstUlp<T>(ReadOnlySpan<byte> one, ReadOnlySpan<byte> other)
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        ReadOnlySpan<T> first = MemoryMarshal.Cast<byte, T>(one), second = MemoryMarshal.Cast<byte, T>(other);
        ulong worst = 0;
        for (int i = 0; i < first.Length; i++)
        {
            worst = Math.Max(worst, Ordinals<T>.Distance(first[i], second[i]).Magnitude);
        }

        return worst;
    }

    private sealed class Job(ComparedTensor tensor, long firstRow, int rows) : MergeJob
    {
        public override string Name => tensor.Target.Name;

        public override long Bytes => (long)tensor._cut.Original(firstRow, rows) * tensor._cut.OriginalRowBytes;

        public override void Run(JobContext context) => tensor.Copy(firstRow, rows, context);
    }
}
