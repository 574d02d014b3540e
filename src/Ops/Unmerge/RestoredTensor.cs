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
            _after.Add(firstBlock, source, checked(cut.BlockRows * cut.MergedRowBytes));
            prediction.Fill(firstRow, source, destination);
            Correct(firstBlock, read, destination);
            _before.Add(firstBlock, destination, checked(cut.BlockRows * cut.OriginalRowBytes));
        }
        finally
        {
            context.Computing.Release();
        }

        if (destination.Length > 0) File.Write(Target.Offset + (firstRow * cut.OriginalRowBytes), destination);
        TileDone();
    }

    private void Correct(long firstBlock, ReadOnlySpan<byte> read, Span<byte> elements)
    {
        int blockBytes = checked(cut.BlockRows * cut.OriginalRowBytes);
        long corrections = 0;
        for (long block = firstBlock; elements.Length > 0; block++)
        {
            int now = Math.Min(blockBytes, elements.Length), code = codes.Length(block);
            corrections += BlockDecoder.Correct(cut.OriginalType.Bytes(), read[..code], elements[..now])
                ?? throw UndoRecord.Damaged(record.Path, $"the code of block {block} is none", recorded.Name);
            elements = elements[now..];
            read = read[code..];
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
