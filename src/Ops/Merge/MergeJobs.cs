using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Files;

namespace LoraKit.Ops.Merge;

/// <summary>
/// The work of one output file, in the order of its bytes: runs of untouched tensors are copied as one, with the padding that GGUF has around them; those that are made are tiled.
/// </summary>
internal static class MergeJobs
{
    private const long CopyPieceBytes = 64L << 20;

    public static IEnumerable<MergeJob> ForShard(
        OutputShard shard, OutputFile file, IReadOnlyDictionary<OutputTensor, TensorTiles> made, int tileBytes)
    {
        CopyRun? run = null;
        long end = shard.Header.Length;
        foreach (OutputTensor tensor in shard.Tensors)
        {
            bool isMade = made.TryGetValue(tensor, out TensorTiles? tiles);
            long padding = tensor.Target.Offset - end, copied = padding + (isMade ? 0 : tensor.Target.ByteLength);
            end = tensor.Target.End;
            if (copied > 0 && run?.Extend(tensor, padding, copied) != true)
            {
                foreach (MergeJob job in run?.Pieces(file) ?? []) yield return job;
                run = new(tensor, padding, copied);
            }

            if (!isMade) continue;
            foreach (MergeJob job in run?.Pieces(file) ?? []) yield return job;
            run = null;
            foreach (MergeJob job in tiles!.Tiles(tileBytes)) yield return job;
        }

        if (end < shard.Length)
        {
            foreach (MergeJob job in run?.Pieces(file) ?? []) yield return job;
            run = new(shard.Tensors[^1], -shard.Tensors[^1].Target.ByteLength, shard.Length - end);
        }

        foreach (MergeJob job in run?.Pieces(file) ?? []) yield return job;
    }

    /// <summary>Bytes that follow each other in the input as in the output.</summary>
    /// <param name="tensor">The tensor that they belong to.</param>
    /// <param name="before">How many bytes before it they begin.</param>
    /// <param name="length">How many.</param>
    private sealed class CopyRun(OutputTensor tensor, long before, long length)
    {
        private readonly ICheckpointFile _file = (ICheckpointFile)tensor.Source!.Source;
        private readonly long _sourceOffset = tensor.Source.Info.Offset - before;
        private readonly long _offset = tensor.Target.Offset - before;
        private long _length = length;

        public bool Extend(OutputTensor next, long before, long length)
        {
            bool follows = ReferenceEquals(next.Source!.Source, _file)
                && next.Source.Info.Offset - before == _sourceOffset + _length && next.Target.Offset - before == _offset + _length;
            if (follows) _length += length;
            return follows;
        }

        public IEnumerable<MergeJob> Pieces(OutputFile file)
        {
            for (long done = 0; done < _length; done += CopyPieceBytes)
            {
                long now = Math.Min(CopyPieceBytes, _length - done);
                yield return new CopyJob(tensor.Target.Name, new(_file.Handle, _file.Path, _sourceOffset + done, _offset + done, now), file);
            }
        }
    }
}
