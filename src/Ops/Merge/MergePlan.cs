using System.Diagnostics;
using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Undo;

namespace LoraKit.Ops.Merge;

/// <summary>
/// merge = round(W + Σ wᵢ·sᵢ·Bᵢ·Aᵢ), as a program over files: what is read, computed and written, known from headers alone. See
/// spec/algebra.md, "merge".
/// </summary>
public sealed class MergePlan : IDisposable
{
    private const int RecordingBuffers = 5; // What a worker holds of a tile where a record is made; else two.

    private readonly Checkpoint _base;
    private readonly IReadOnlyList<Adapter> _opened;
    private readonly ModelOutput _output;
    private readonly string _namePrefix;
    private readonly bool _toSingleFile;

    private MergePlan(
        MergeOptions options, Checkpoint @base, IReadOnlyList<Adapter> adapters, EditPlanner edits, bool toSingleFile)
    {
        Options = options;
        _base = @base;
        _opened = adapters;
        _toSingleFile = toSingleFile;
        string? singleFileName = toSingleFile ? Path.GetFileName(options.Output) : null;
        _namePrefix = edits.NamePrefix;
        IReadOnlyList<OutputShard> shards = OutputLayout.Create(@base, edits.Edits, _namePrefix, options.OutputType, options.MaxShardBytes, singleFileName);
        _output = new(shards, toSingleFile ? [] : SmallFiles.Create(@base, shards, edits, options.OutputType));
        Adapters = [.. adapters.Zip(options.Adapters, (a, input) => new MergeAdapter(input.Path, input.Weight, a.Layout, Modules(a), a.Issues))];
        Tensors = [.. shards.SelectMany(s => s.Tensors.Select(t => new PlannedTensor(
            t.Target.Name, t.Action, t.Target.DType, t.Target.Shape, s.RelativePath, t.Edit?.Words ?? []) { TypeName = t.Target.TypeName }))];
        Shards = [.. shards.Select(s => new PlannedFile(s.RelativePath, s.Length, s.Tensors.Count))];
        TensorsRequantised = shards.Sum(shard => shard.Tensors.Count(tensor => tensor.IsRequantised));
        OtherFiles = [.. _output.SmallFiles.Select(f => f.RelativePath)];
        Unmatched = edits.Misses;
        Warnings = [.. @base.Warnings, .. Replication(@base), .. edits.Warnings, .. Requantised(TensorsRequantised)];
    }

    /// <summary>What was asked.</summary>
    public MergeOptions Options { get; }

    /// <summary>The adapters as they were read.</summary>
    public IReadOnlyList<MergeAdapter> Adapters { get; }

    /// <summary>Every tensor of the output, in the order it is written.</summary>
    public IReadOnlyList<PlannedTensor> Tensors { get; }

    /// <summary>The output's tensor files with their sizes, in order.</summary>
    public IReadOnlyList<PlannedFile> Shards { get; }

    /// <summary>Tensors that change and are stored as Q8_0: they are rounded to blocks again.</summary>
    public int TensorsRequantised { get; }

    /// <summary>Other files that are copied or changed on the way, by relative path.</summary>
    public IReadOnlyList<string> OtherFiles { get; }

    /// <summary>Files of the base's folder that are left out: weights in other formats, files of adapters.</summary>
    public IReadOnlyList<string> LeftOutFiles => _toSingleFile ? [] : _base.LeftOutFiles;

    /// <summary>Adapter modules without a place in the base; empty unless <see cref="MergeOptions.AllowUnmatched"/>.</summary>
    public IReadOnlyList<string> Unmatched { get; }

    /// <summary>What the user should know before it runs, one line each.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>Bytes of tensor files that will be written.</summary>
    public long OutputBytes => _output.TensorFileBytes;

    private AtomicOutputOptions OutputOptions => RecordOptions with { PlannedFiles = _output.Names };

    private AtomicOutputOptions RecordOptions => new()
    {
        Overwrite = Options.Overwrite,
        Flush = Options.Flush,
        Inputs = [Options.Base, .. Options.Adapters.Select(a => a.Path)],
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
            if (@base.Gguf is not null) CheckGguf(options);
            bool toSingleFile = OutputLayout.IsSingleFile(options.Output, @base, @base.Shards.Count);
            foreach (AdapterInput input in options.Adapters)
            {
                adapters.Add(input.Open(@base));
            }

            @base = ReplicatedBase.Of(@base, adapters);
            if (options.UndoRecord is not null && @base.Layers is not null)
            {
                throw new UnsupportedException($"{Printable.Text(options.Base)}: its layers are replicated, and a record of that is not written; unmerge with the base (--base) instead", options.Base);
            }

            EditPlanner edits = new(@base, options.Requantise);
            for (int i = 0; i < adapters.Count; i++)
            {
                edits.Add(adapters[i], options.Adapters[i]);
            }

            edits.Finish();
            edits.Require(options.Base, options.AllowUnmatched);
            if (options.UndoRecord is not null && @base.Gguf is { } gguf && edits.Edits.Keys.FirstOrDefault(name => gguf.Values(name) is not null) is { } blocks)
            {
                throw new UnsupportedException(
                    $"{Printable.Text(options.Base)}: tensor '{Printable.Text(blocks)}' is rounded to Q8_0 again, and a record of that is not written; leave --undo out, and keep the base", options.Base, blocks);
            }

            MergePlan plan = new(options, @base, adapters, edits, toSingleFile);
            OutputChecks.Run(OutputPlace.Of(options.Output), toSingleFile ? FileNature.File : FileNature.Folder, plan.OutputOptions, plan.OutputOptions.PlannedFiles);
            plan.CheckRecord();
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
        using AtomicOutput? record = Options.UndoRecord is { } path ? AtomicOutput.CreateSingle(path, RecordOptions) : null;
        using UndoRecorder? recorder = record is null ? null : new(record.Path, _base, _opened, Options.Adapters, Options.UndoBlockElements);
        PipelineSize size = PipelineSize.For(Options.Threads, Options.MemoryBytes, record is null ? 2 : RecordingBuffers);
        if (Options.TileBytes is { } tileBytes) size = size with { TileBytes = tileBytes };
        List<TensorWork> made = [];
        long smallBytes = _output.Write(output, Make, compute, size, progress, cancellation);
        UndoReport? undo = recorder?.Write(record!, _namePrefix, _output.SmallFiles, cancellation);
        if (record is null) output.Commit();
        else AtomicOutput.CommitAll(record, output); // A model without its record could not be taken back.
        return new MergeReport
        {
            Output = output.Path,
            TensorsTotal = Tensors.Count,
            TensorsChanged = Tensors.Count(t => t.Action != TensorAction.Copy),
            TensorsCopied = Tensors.Count(t => t.Action == TensorAction.Copy),
            BytesWritten = OutputBytes + smallBytes,
            Elapsed = Stopwatch.GetElapsedTime(started),
            Shards = Shards,
            TensorsRequantised = TensorsRequantised,
            RequantisationChange = made.Max(work => work.RelativeChange),
            Undo = undo,
        };

        TensorWork? Make(OutputTensor tensor, OutputFile file)
        {
            if (tensor.Action == TensorAction.Copy) return null;
            made.Add(new(tensor, file, recorder));
            return made[^1];
        }
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

    /// <summary>The header of a GGUF file stays as it is, and with it every offset.</summary>
    private static void CheckGguf(MergeOptions options)
    {
        if (options.OutputType is not null)
            throw new UnsupportedException($"{Printable.Text(options.Base)}: the tensors of a GGUF file keep their types; leave --dtype out, and make another type of the result with llama-quantize", options.Base);
        if (options.MaxShardBytes is not null) throw new UnsupportedException($"{Printable.Text(options.Base)}: a GGUF file stays one file; split the result with llama-gguf-split", options.Base);
    }

    /// <summary>A record has a place of its own: not in the model, which is replaced as a whole, and not around it.</summary>
    private void CheckRecord()
    {
        if (Options.UndoRecord is not { } path) return;
        OutputChecks.Run(OutputPlace.Of(path), FileNature.File, RecordOptions, null);
        string record = RealPath.Of(path), output = RealPath.Of(Options.Output);
        if (RealPath.SelfAndAbove(record).Any(p => IsSame(p, output)) || RealPath.SelfAndAbove(output).Any(p => IsSame(p, record)))
        {
            throw new OutputException($"{Printable.Text(path)}: the undo record lies in the output {Printable.Text(Options.Output)}; choose a place beside it", path);
        }

        static bool IsSame(string one, string other) => string.Equals(one, other, RealPath.Comparison);
    }

    private static IEnumerable<string> Replication(Checkpoint @base)
    {
        if (@base.Layers is { } layers) yield return $"the output has {layers.Sources.Count} layers for the base's {layers.Layers}, as the adapter's 'layer_replication' says";
    }

    private static IEnumerable<string> Requantised(int count)
    {
        if (count > 0) yield return $"{count} tensors that change are stored as Q8_0, and are rounded to its blocks again: that loses about as much as storing them so did";
    }

    private static int Modules(Adapter adapter) =>
        adapter.Deltas.Select(d => d.Target.Module).Concat(adapter.Replacements.Select(r => r.Target.Module)).Distinct().Count();
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
public sealed record PlannedTensor(string Name, TensorAction Action, DType DType, TensorShape Shape, string File, IReadOnlyList<string> Updates)
{
    /// <summary>How its elements are stored, as files spell it: <c>BF16</c>; of a GGUF file also <c>Q8_0</c>, where <see cref="DType"/> is U8, for the bytes.</summary>
    public string TypeName { get; init; } = DType.FileName();
}

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

    /// <summary>Tensors of Q8_0 that were rounded to blocks again.</summary>
    public int TensorsRequantised { get; init; }

    /// <summary>The most that this changed of one of them, ‖W′ − Q(W′)‖ / ‖W′‖; null where there is none.</summary>
    public double? RequantisationChange { get; init; }

    /// <summary>The undo record; null where none was asked for.</summary>
    public UndoReport? Undo { get; init; }
}
