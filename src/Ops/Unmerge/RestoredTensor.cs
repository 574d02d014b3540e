using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Merge;
using LoraKit.Ops.Undo;

namespace LoraKit.Ops.Unmerge;

/// <summary>A changed tensor on its way back: predicted from the merged values and corrected by the record, hashed before and after.</summary>
internal sealed class RestoredTensor(
    UndoRecord record, UndoTensor recorded, StoredTensor merged, BlockCut cut, Prediction prediction, TensorCodes codes, TensorInfo target, OutputFile file,
    RestorationCounts counts)
    : TensorTiles(target, file)
{
    private readonly BlockHashes _before = new(cut.OriginalBlocks);
    private readonly BlockHashes _after = new(cut.MergedBlocks);
    private long _corrections;

    public override IEnumerable<MergeJob> Tiles(int tileBytes) =>
        Cut(Math.Max(cut.OriginalRows, cut.MergedRows), Math.Max(cut.OriginalRowBytes, cut.MergedRowBytes), tileBytes, cut.BlockRows)
            .Select(tile => new Job(this, tile.First, tile.Count, (long)cut.Original(tile.First, tile.Count) * cut.OriginalRowBytes));

    public override void Release() => prediction.Dispose();

    protected override void Finish()
    {
        if (_after.Finish() != recorded.After) throw RecordRestoration.NotTheMerged(record, merged, "has another hash");
        if (_before.Finish() != recorded.Before || _corrections != recorded.Corrections)
        {
            throw UndoRecord.Damaged(record.Path, "it does not lead back to the base", recorded.Name);
        }

        counts.AddRepaired(_corrections);
    }

    /// <summary>Rows [firstRow, firstRow + rows), the first of them a block's.</summary>
    private void Restore(long firstRow, int rows, JobContext context)
    {
        Span<byte> source = context.Buffers.Source(checked(cut.Merged(firstRow, rows) * cut.MergedRowBytes));
        if (source.Length > 0) merged.ReadBytes(firstRow * cut.MergedRowBytes, source);
        Span<byte> destination = context.Buffers.Destination(checked(cut.Original(firstRow, rows) * cut.OriginalRowBytes));
        int blocks = (cut.Original(firstRow, rows) + cut.BlockRows - 1) / cut.BlockRows;
        long firstBlock = firstRow / cut.BlockRows;
        Span<byte> read = context.Buffers.Codes(blocks > 0 ? codes.Length(firstBlock, blocks) : 0);
        if (read.Length > 0) codes.Read(firstBlock, read);

        context.Computing.Wait(context.Cancellation);
        try
        {
            Restore(firstBlock, source, read, destination);
        }
        finally
        {
            context.Computing.Release();
        }

        if (destination.Length > 0) File.Write(Target.Offset + (firstRow * cut.OriginalRowBytes), destination);
        TileDone();
    }

    /// <summary>Whole blocks, each while it is in the cache.</summary>
    private void Restore(long firstBlock, ReadOnlySpan<byte> source, ReadOnlySpan<byte> read, Span<byte> destination)
    {
        int originalBytes = checked(cut.BlockRows * cut.OriginalRowBytes), mergedBytes = checked(cut.BlockRows * cut.MergedRowBytes);
        long corrections = 0;
        for (long block = firstBlock; source.Length > 0 || destination.Length > 0; block++)
        {
            ReadOnlySpan<byte> after = source[..Math.Min(mergedBytes, source.Length)];
            Span<byte> before = destination[..Math.Min(originalBytes, destination.Length)];
            if (after.Length > 0) _after.Add(block, after);
            if (before.Length > 0)
            {
                int code = codes.Length(block);
                prediction.Fill(block * cut.BlockRows, after, before);
                corrections += BlockDecoder.Correct(cut.OriginalType.Bytes(), read[..code], before)
                    ?? throw UndoRecord.Damaged(record.Path, $"the code of block {block} is none", recorded.Name);
                _before.Add(block, before);
                read = read[code..];
            }

            source = source[after.Length..];
            destination = destination[before.Length..];
        }

        Interlocked.Add(ref _corrections, corrections);
    }

    private sealed class Job(RestoredTensor tensor, long firstRow, int rows, long bytes) : MergeJob
    {
        public override string Name => tensor.Target.Name;

        public override long Bytes => bytes;

        public override void Run(JobContext context) => tensor.Restore(firstRow, rows, context);
    }
}
