using LoraKit.Formats.Files;
using LoraKit.Formats.Safetensors;

namespace LoraKit.Ops.Merge;

/// <summary>The work of one output file, in the order of its bytes: runs of untouched tensors are copied as one, those that are made are tiled.</summary>
internal static class MergeJobs
{
    private const long CopyPieceBytes = 64L << 20;

    public static IEnumerable<MergeJob> ForShard(
        OutputShard shard, OutputFile file, IReadOnlyDictionary<OutputTensor, TensorTiles> made, int tileBytes)
    {
        CopyRun? run = null;
        foreach (OutputTensor tensor in shard.Tensors)
        {
            if (!made.TryGetValue(tensor, out TensorTiles? tiles))
            {
                if (run?.Extend(tensor) != true)
                {
                    foreach (MergeJob job in run?.Pieces(file) ?? []) yield return job;
                    run = new(tensor);
                }
            }
            else
            {
                foreach (MergeJob job in run?.Pieces(file) ?? []) yield return job;
                run = null;
                foreach (MergeJob job in tiles.Tiles(tileBytes)) yield return job;
            }
        }

        foreach (MergeJob job in run?.Pieces(file) ?? []) yield return job;
    }

    /// <summary>Untouched tensors that follow each other in the input as in the output.</summary>
    private sealed class CopyRun(OutputTensor first)
    {
        private readonly SafetensorsFile _file = (SafetensorsFile)first.Source!.Source;
        private readonly long _sourceOffset = first.Source.Info.Offset;
        private readonly long _offset = first.Target.Offset;
        private long _length = first.Target.ByteLength;

        public bool Extend(OutputTensor next)
        {
            bool follows = ReferenceEquals(next.Source!.Source, _file)
                && next.Source.Info.Offset == _sourceOffset + _length && next.Target.Offset == _offset + _length;
            if (follows) _length += next.Target.ByteLength;
            return follows;
        }

        public IEnumerable<MergeJob> Pieces(OutputFile file)
        {
            for (long done = 0; done < _length; done += CopyPieceBytes)
            {
                long now = Math.Min(CopyPieceBytes, _length - done);
                yield return new CopyJob(first.Target.Name, new(_file.Handle, _file.Path, _sourceOffset + done, _offset + done, now), file);
            }
        }
    }
}
