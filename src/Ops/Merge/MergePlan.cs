using System.Diagnostics;
using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using Microsoft.Win32.SafeHandles;

namespace LoraKit.Ops.Merge;

/// <summary>
/// merge = round(W + Σ wᵢ·sᵢ·Bᵢ·Aᵢ), as a program over files: what is read, computed and written, known from headers alone. See
/// spec/algebra.md, "merge".
/// </summary>
public sealed class MergePlan : IDisposable
{
    private readonly Checkpoint _base;
    private readonly IReadOnlyList<Adapter> _opened;
    private readonly IReadOnlyList<OutputShard> _shards;
    private readonly IReadOnlyList<SmallFile> _smallFiles;
    private readonly bool _toSingleFile;

    private MergePlan(
        MergeOptions options, Checkpoint @base, IReadOnlyList<Adapter> adapters, EditPlanner edits, bool toSingleFile)
    {
        Options = options;
        _base = @base;
        _opened = adapters;
        _toSingleFile = toSingleFile;
        string? singleFileName = toSingleFile ? Path.GetFileName(options.Output) : null;
        _shards = OutputLayout.Create(@base, edits.Edits, edits.NamePrefix, options.OutputType, options.MaxShardBytes, singleFileName);
        _smallFiles = toSingleFile ? [] : SmallFiles.Create(@base, _shards, edits, options.OutputType);
        Adapters = [.. adapters.Zip(options.Adapters, (a, input) => new MergeAdapter(input.Path, input.Weight, a.Layout, Modules(a), a.Issues))];
        Tensors = [.. _shards.SelectMany(s => s.Tensors.Select(t => new PlannedTensor(
            t.Target.Name, t.Action, t.Target.DType, t.Target.Shape, s.RelativePath, t.Edit?.Words ?? [])))];
        Shards = [.. _shards.Select(s => new PlannedFile(s.RelativePath, s.Length, s.Tensors.Count))];
        OtherFiles = [.. _smallFiles.Select(f => f.RelativePath)];
        Unmatched = edits.Misses;
        Warnings = [.. @base.Warnings, .. edits.Warnings];
    }

    /// <summary>What was asked.</summary>
    public MergeOptions Options { get; }

    /// <summary>The adapters as they were read.</summary>
    public IReadOnlyList<MergeAdapter> Adapters { get; }

    /// <summary>Every tensor of the output, in the order it is written.</summary>
    public IReadOnlyList<PlannedTensor> Tensors { get; }

    /// <summary>The output's tensor files with their sizes, in order.</summary>
    public IReadOnlyList<PlannedFile> Shards { get; }

    /// <summary>Other files that are copied or changed on the way, by relative path.</summary>
    public IReadOnlyList<string> OtherFiles { get; }

    /// <summary>Files of the base's folder that are left out: weights in other formats, files of adapters.</summary>
    public IReadOnlyList<string> LeftOutFiles => _toSingleFile ? [] : _base.LeftOutFiles;

    /// <summary>Adapter modules without a place in the base; empty unless <see cref="MergeOptions.AllowUnmatched"/>.</summary>
    public IReadOnlyList<string> Unmatched { get; }

    /// <summary>What the user should know before it runs, one line each.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>Bytes of tensor files that will be written.</summary>
    public long OutputBytes => Shards.Sum(s => s.Bytes);

    private AtomicOutputOptions OutputOptions => new()
    {
        Overwrite = Options.Overwrite,
        Flush = Options.Flush,
        Inputs = [Options.Base, .. Options.Adapters.Select(a => a.Path)],
        PlannedFiles = [.. Shards.Select(s => s.RelativePath), .. OtherFiles],
    };

    /// <summary>Opens base and adapters, matches every module and lays out the output. Writes nothing.</summary>
    /// <exception cref="LoraKitException">Anything that would stop the merge and can be seen from headers.</exception>
    public static MergePlan Create(MergeOptions options)
    {
        Check(options);
        Checkpoint? @base = null;
        List<Adapter> adapters = [];
        try
        {
            @base = Checkpoint.Open(options.Base);
            bool toSingleFile = IsSingleFile(options, @base);
            EditPlanner edits = new(@base);
            foreach (AdapterInput input in options.Adapters)
            {
                adapters.Add(AdapterLayouts.Open(input.Path));
                edits.Add(adapters[^1], input);
            }

            edits.Finish();
            Stop(options, edits);
            MergePlan plan = new(options, @base, adapters, edits, toSingleFile);
            OutputChecks.Run(OutputPlace.Of(options.Output), toSingleFile ? FileNature.File : FileNature.Folder, plan.OutputOptions, plan.OutputOptions.PlannedFiles);
            return plan;
        }
        catch
        {
            adapters.ForEach(a => a.Dispose());
            @base?.Dispose();
            throw;
        }
    }

    /// <summary>Does it. On any exception, and on cancellation, nothing of the output is left.</summary>
    /// <param name="compute">Where the arithmetic runs.</param>
    /// <param name="progress">Told after every tile, from any worker.</param>
    /// <param name="cancellation">Stops it between tiles.</param>
    /// <exception cref="LoraKitException">A file, the disk or a value stopped it.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public MergeReport Run(ICompute compute, IProgress<OpProgress>? progress = null, CancellationToken cancellation = default)
    {
        long started = Stopwatch.GetTimestamp();
        using AtomicOutput output = _toSingleFile
            ? AtomicOutput.CreateSingle(Options.Output, OutputOptions)
            : AtomicOutput.CreateFolder(Options.Output, OutputOptions);

        OutputFile[] files = [.. _shards.Select(s => output.CreateFile(s.RelativePath, s.Length))];
        WriteTensors(files, compute, progress, cancellation);
        long smallBytes = WriteSmallFiles(output, cancellation);
        CheckHeaders(files);
        cancellation.ThrowIfCancellationRequested();
        output.Commit();
        return new MergeReport
        {
            Output = output.Path,
            TensorsTotal = Tensors.Count,
            TensorsChanged = Tensors.Count(t => t.Action != TensorAction.Copy),
            TensorsCopied = Tensors.Count(t => t.Action == TensorAction.Copy),
            BytesWritten = OutputBytes + smallBytes,
            Elapsed = Stopwatch.GetElapsedTime(started),
            Shards = Shards,
        };
    }

    /// <summary>Closes base and adapters.</summary>
    public void Dispose()
    {
        foreach (Adapter adapter in _opened)
        {
            adapter.Dispose();
        }

        _base.Dispose();
    }

    private static void Check(MergeOptions options)
    {
        if (options.Adapters.Count == 0) throw new InvalidOptionException("no adapter is named; expected at least one");
        foreach (AdapterInput input in options.Adapters)
        {
            if (!double.IsFinite(input.Weight)) throw new InvalidOptionException($"the weight of {input.Path} is {input.Weight}; expected a finite number");
        }

        if (options.OutputType is not (null or DType.F32 or DType.F16 or DType.BF16))
        {
            throw new InvalidOptionException($"the output type is {options.OutputType.Value.FileName()}; expected F32, F16 or BF16");
        }

        if (options.MaxShardBytes <= 0) throw new InvalidOptionException($"the shard size is {options.MaxShardBytes} bytes; expected more than 0");
        if (options.MemoryBytes <= 0) throw new InvalidOptionException($"the memory cap is {options.MemoryBytes} bytes; expected more than 0");
        if (options.Threads < 0) throw new InvalidOptionException($"the number of threads is {options.Threads}; expected 0 (all) or more");
    }

    private static bool IsSingleFile(MergeOptions options, Checkpoint @base)
    {
        if (!options.Output.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase)) return false;
        return @base.Shards.Count == 1
            ? true
            : throw new InvalidOptionException($"the base has {@base.Shards.Count} files, but the output {options.Output} is one; name a folder as output");
    }

    private static void Stop(MergeOptions options, EditPlanner edits)
    {
        IReadOnlyList<string> stopping = options.AllowUnmatched ? edits.Conflicts : [.. edits.Misses, .. edits.Conflicts];
        if (stopping.Count > 0)
        {
            string more = stopping.Count == 1 ? string.Empty : $" (and {stopping.Count - 1} more)";
            throw new TargetMismatchException(
                $"the adapter does not fit the base {Printable.Text(options.Base)}: {stopping[0]}{more}; merge into the model it was trained on",
                stopping, options.Base, edits.FirstUnfit);
        }

        if (edits.Edits.Count == 0 && edits.Misses.Count > 0)
        {
            throw new TargetMismatchException($"nothing of the adapter fits the base {Printable.Text(options.Base)}: {edits.Misses[0]}", edits.Misses, options.Base, edits.FirstUnfit);
        }
    }

    private static int Modules(Adapter adapter) =>
        adapter.Deltas.Select(d => d.Target.Module).Concat(adapter.Replacements.Select(r => r.Target.Module)).Distinct().Count();

    private void WriteTensors(OutputFile[] files, ICompute compute, IProgress<OpProgress>? progress, CancellationToken cancellation)
    {
        PipelineSize size = PipelineSize.For(Options.Threads, Options.MemoryBytes);
        if (Options.TileBytes is { } tileBytes) size = size with { TileBytes = tileBytes };
        Dictionary<OutputTensor, TensorWork> works = new(ReferenceEqualityComparer.Instance);
        for (int i = 0; i < files.Length; i++)
        {
            files[i].Write(0, _shards[i].Header);
            foreach (OutputTensor tensor in _shards[i].Tensors.Where(t => t.Action != TensorAction.Copy))
            {
                works.Add(tensor, new(tensor, files[i]));
            }
        }

        try
        {
            new MergePipeline(compute, size, progress, OutputBytes).Run(
                _shards.Select((shard, i) => MergeJobs.ForShard(shard, files[i], works, size.TileBytes)), cancellation);
        }
        finally
        {
            foreach (TensorWork work in works.Values)
            {
                work.Release();
            }
        }
    }

    private long WriteSmallFiles(AtomicOutput output, CancellationToken cancellation)
    {
        long bytes = 0;
        foreach (SmallFile small in _smallFiles)
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
    private void CheckHeaders(OutputFile[] files)
    {
        for (int i = 0; i < files.Length; i++)
        {
            byte[] written = new byte[_shards[i].Header.Length];
            files[i].Read(0, written);
            if (!written.AsSpan().SequenceEqual(_shards[i].Header))
            {
                throw new OutputException($"{files[i].RelativePath}: the header read back differs from the one written; the disk is not to be trusted", Options.Output);
            }

            SafetensorsHeader.Read(new MemoryStream(written), files[i].Length, files[i].RelativePath, SafetensorsMode.Reference);
        }
    }
}

/// <summary>One adapter of a plan.</summary>
/// <param name="Path">As it was named.</param>
/// <param name="Weight">Its weight.</param>
/// <param name="Layout">The layout it was read by.</param>
/// <param name="Modules">How many modules it updates or replaces.</param>
/// <param name="Issues">What is odd about it.</param>
public sealed record MergeAdapter(
    string Path, double Weight, string Layout, int Modules, IReadOnlyList<AdapterIssue> Issues);

/// <summary>What happens to one tensor.</summary>
public enum TensorAction : byte
{
    /// <summary>Its bytes are copied, not decoded.</summary>
    Copy,

    /// <summary>Only its element type changes.</summary>
    Cast,

    /// <summary>Its values change.</summary>
    Change,
}

/// <summary>One tensor of a plan.</summary>
/// <param name="Name">Its name in the output.</param>
/// <param name="Action">What happens to it.</param>
/// <param name="DType">Its element type in the output.</param>
/// <param name="Shape">Its shape in the output.</param>
/// <param name="File">Which file of <see cref="MergePlan.Shards"/> it goes to.</param>
/// <param name="Updates">What changes it, in the adapters' words, in order: <c>lora r=16 ×2</c>, <c>modules_to_save</c>, …</param>
public sealed record PlannedTensor(string Name, TensorAction Action, DType DType, TensorShape Shape, string File, IReadOnlyList<string> Updates);

/// <summary>One tensor file of a plan.</summary>
/// <param name="RelativePath">Its place in the output folder, or the output file's name.</param>
/// <param name="Bytes">Its length, header included.</param>
/// <param name="Tensors">How many tensors.</param>
public sealed record PlannedFile(string RelativePath, long Bytes, int Tensors);

/// <summary>What a merge did.</summary>
public sealed record MergeReport
{
    /// <summary>Where the result is.</summary>
    public required string Output { get; init; }

    /// <summary>Tensors in the output.</summary>
    public required int TensorsTotal { get; init; }

    /// <summary>Tensors whose values were computed.</summary>
    public required int TensorsChanged { get; init; }

    /// <summary>Tensors that were copied byte for byte.</summary>
    public required int TensorsCopied { get; init; }

    /// <summary>Bytes written, all files together.</summary>
    public required long BytesWritten { get; init; }

    /// <summary>Wall time.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>The files with the tensors.</summary>
    public required IReadOnlyList<PlannedFile> Shards { get; init; }
}
