using LoraKit.Formats;
using LoraKit.Formats.Files;
using LoraKit.Formats.Safetensors;
using LoraKit.Ops.Compute;
using Microsoft.Win32.SafeHandles;

namespace LoraKit.Ops.Merge;

/// <summary>The files of a model to be written: tensor files, whose every offset is known, and what lies beside them.</summary>
/// <param name="Shards">The tensor files.</param>
/// <param name="SmallFiles">The others.</param>
internal sealed record ModelOutput(IReadOnlyList<OutputShard> Shards, IReadOnlyList<SmallFile> SmallFiles)
{
    /// <summary>Bytes of the tensor files.</summary>
    public long TensorFileBytes => Shards.Sum(s => s.Length);

    /// <summary>All names.</summary>
    public IReadOnlyList<string> Names => [.. Shards.Select(s => s.RelativePath), .. SmallFiles.Select(f => f.RelativePath)];

    /// <summary>Writes everything into an output, which the caller commits. Returns how many bytes the small files have.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="make">The tiles of a tensor that is made; null for one that is copied.</param>
    /// <param name="compute">Where the arithmetic runs.</param>
    /// <param name="size">How much runs at once.</param>
    /// <param name="progress">Told after every tile, from any worker.</param>
    /// <param name="cancellation">Stops it between tiles.</param>
    public long Write(
        AtomicOutput output, Func<OutputTensor, OutputFile, TensorTiles?> make, ICompute compute, PipelineSize size, IProgress<OpProgress>? progress,
        CancellationToken cancellation)
    {
        OutputFile[] files = [.. Shards.Select(s => output.CreateFile(s.RelativePath, s.Length))];
        WriteTensors(files, make, compute, size, progress, cancellation);
        long smallBytes = WriteSmallFiles(output, cancellation);
        CheckHeaders(output, files);
        cancellation.ThrowIfCancellationRequested();
        return smallBytes;
    }

    private void WriteTensors(
        OutputFile[] files, Func<OutputTensor, OutputFile, TensorTiles?> make, ICompute compute, PipelineSize size, IProgress<OpProgress>? progress,
        CancellationToken cancellation)
    {
        Dictionary<OutputTensor, TensorTiles> made = new(ReferenceEqualityComparer.Instance);
        for (int i = 0; i < files.Length; i++)
        {
            files[i].Write(0, Shards[i].Header);
            foreach (OutputTensor tensor in Shards[i].Tensors)
            {
                if (make(tensor, files[i]) is { } tiles) made.Add(tensor, tiles);
            }
        }

        try
        {
            new MergePipeline(compute, size, progress, TensorFileBytes).Run(
                Shards.Select((shard, i) => MergeJobs.ForShard(shard, files[i], made, size.TileBytes)), cancellation);
        }
        finally
        {
            foreach (TensorTiles tiles in made.Values)
            {
                tiles.Release();
            }
        }
    }

    private long WriteSmallFiles(AtomicOutput output, CancellationToken cancellation)
    {
        long bytes = 0;
        foreach (SmallFile small in SmallFiles)
        {
            if (small.Bytes is { } content)
            {
                output.CreateFile(small.RelativePath, content.Length).Write(0, content);
                bytes += content.Length;
                continue;
            }

            using SafeFileHandle source = RegularFile.OpenAny(small.Source!);
            long length = RandomAccess.GetLength(source);
            output.CreateFile(small.RelativePath, length).CopyFrom(source, small.Source!, 0, 0, length, cancellation);
            bytes += length;
        }

        return bytes;
    }

    /// <summary>Reads back what the disk now holds: a header that is not the planned one must not get a final name.</summary>
    private void CheckHeaders(AtomicOutput output, OutputFile[] files)
    {
        for (int i = 0; i < files.Length; i++)
        {
            byte[] written = new byte[Shards[i].Header.Length];
            files[i].Read(0, written);
            if (!written.AsSpan().SequenceEqual(Shards[i].Header))
            {
                throw new OutputException($"{files[i].RelativePath}: the header read back differs from the one written; the disk is not to be trusted", output.Path);
            }

            // A GGUF header is the base's, and was checked when that was opened.
            if (FileKinds.Detect(written) != FileKind.Gguf) SafetensorsHeader.Read(new MemoryStream(written), files[i].Length, files[i].RelativePath, SafetensorsMode.Reference);
        }
    }
}
