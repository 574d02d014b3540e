using System.Diagnostics;
using LoraKit.Formats;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Files;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Merge;

namespace LoraKit.Ops.Unmerge;

/// <summary>
/// Takes a merge back: to the bit with its record, W = P + corrections with P = round(W' − Σ wᵢ·sᵢ·Bᵢ·Aᵢ); without one, P itself, and how
/// many of its elements may differ from the base; or from the base, after a comparison. See spec/undo.md.
/// </summary>
public sealed class UnmergePlan : IDisposable
{
    private const int WorkerBuffers = 5;

    private readonly Checkpoint _merged;
    private readonly Restoration _restoration;
    private readonly bool _toSingleFile;

    private UnmergePlan(UnmergeOptions options, Checkpoint merged, Restoration restoration, bool toSingleFile)
    {
        Options = options;
        _merged = merged;
        _restoration = restoration;
        _toSingleFile = toSingleFile;
    }

    /// <summary>What was asked.</summary>
    public UnmergeOptions Options { get; }

    /// <summary>How the base comes back.</summary>
    public UnmergeMethod Method => _restoration.Method;

    /// <summary>The output's tensor files with their sizes, in order.</summary>
    public IReadOnlyList<PlannedFile> Shards => [.. _restoration.Output.Shards.Select(s => new PlannedFile(s.RelativePath, s.Length, s.Tensors.Count))];

    /// <summary>Other files of the output, by relative path.</summary>
    public IReadOnlyList<string> OtherFiles => [.. _restoration.Output.SmallFiles.Select(f => f.RelativePath)];

    /// <summary>Tensors in the output.</summary>
    public int TensorsTotal => _restoration.Output.Shards.Sum(s => s.Tensors.Count);

    /// <summary>Tensors that are not copied from the merged model as they are.</summary>
    public int TensorsRestored => _restoration.TensorsMade;

    /// <summary>Bytes of tensor files that will be written.</summary>
    public long OutputBytes => _restoration.Output.TensorFileBytes;

    /// <summary>What the user should know before it runs, one line each.</summary>
    public IReadOnlyList<string> Warnings => [.. _merged.Warnings, .. _restoration.Warnings];

    private AtomicOutputOptions OutputOptions => new()
    {
        Overwrite = Options.Overwrite,
        Flush = Options.Flush,
        Inputs = [Options.Merged, .. _restoration.Inputs],
        PlannedFiles = _restoration.Output.Names,
    };

    /// <summary>Opens everything and checks what can be checked without the model's values; an adapter's files are compared with the record. Writes nothing.</summary>
    /// <exception cref="LoraKitException">Anything that would stop it and can be seen so far.</exception>
    public static UnmergePlan Create(UnmergeOptions options)
    {
        Check(options);
        Checkpoint? merged = null;
        Restoration? restoration = null;
        try
        {
            merged = Checkpoint.Open(options.Merged);
            restoration = options switch
            {
                { UndoRecord: not null } => new RecordRestoration(options, merged),
                { Base: not null } => new BaseRestoration(options, merged),
                _ => new Subtraction(options, merged),
            };
            bool toSingleFile = OutputLayout.IsSingleFile(options.Output, merged, restoration.Output.Shards.Count);
            UnmergePlan plan = new(options, merged, restoration, toSingleFile);
            OutputChecks.Run(OutputPlace.Of(options.Output), toSingleFile ? FileNature.File : FileNature.Folder, plan.OutputOptions, plan.OutputOptions.PlannedFiles);
            return plan;
        }
        catch
        {
            restoration?.Dispose();
            merged?.Dispose();
            throw;
        }
    }

    /// <summary>Does it. On any exception, and on cancellation, nothing of the output is left. The managed kernels compute: their results are the same everywhere.</summary>
    /// <param name="progress">Told after every tile, from any worker.</param>
    /// <param name="cancellation">Stops it between tiles.</param>
    /// <exception cref="LoraKitException">A file or the disk stopped it, or a tensor is not what the record says.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public UnmergeReport Run(IProgress<OpProgress>? progress = null, CancellationToken cancellation = default)
    {
        long started = Stopwatch.GetTimestamp();
        using AtomicOutput output = _toSingleFile
            ? AtomicOutput.CreateSingle(Options.Output, OutputOptions)
            : AtomicOutput.CreateFolder(Options.Output, OutputOptions);
        using SimdCompute compute = new();
        PipelineSize size = PipelineSize.For(Options.Threads, Options.MemoryBytes, WorkerBuffers);
        if (Options.TileBytes is { } tileBytes) size = size with { TileBytes = tileBytes };
        long smallBytes = _restoration.Output.Write(output, _restoration.Tiles, compute, size, progress, cancellation);
        output.Commit();
        RestorationCounts counts = _restoration.Counts;
        return new UnmergeReport
        {
            Output = output.Path,
            Method = Method,
            TensorsTotal = TensorsTotal,
            TensorsRestored = _restoration.TensorsRestored,
            ElementsRepaired = counts.Repaired,
            MayDiffer = counts.MayDiffer,
            BytesWritten = OutputBytes + smallBytes,
            Elapsed = Stopwatch.GetElapsedTime(started),
            Warnings = [.. _restoration.Findings],
        };
    }

    /// <summary>Closes everything.</summary>
    public void Dispose()
    {
        _restoration.Dispose();
        _merged.Dispose();
    }

    private static void Check(UnmergeOptions options)
    {
        if (options is { UndoRecord: not null, Base: not null })
        {
            throw new InvalidOptionException("a record and a base are named; expected one of them: either restores every bit");
        }

        if (options is { UndoRecord: null, Base: null, Adapters.Count: 0 })
        {
            throw new InvalidOptionException("nothing says what to take out; name the undo record (exact), the base (exact), or the adapters (subtracted)");
        }

        foreach (AdapterInput input in options.Adapters)
        {
            if (!double.IsFinite(input.Weight)) throw new InvalidOptionException($"the weight of {input.Path} is {input.Weight}; expected a finite number");
        }

        if (options.MemoryBytes <= 0) throw new InvalidOptionException($"the memory cap is {options.MemoryBytes} bytes; expected more than 0");
        if (options.Threads < 0) throw new InvalidOptionException($"the number of threads is {options.Threads}; expected 0 (all) or more");
    }
}
