using LoraKit.Formats.Adapters;

namespace LoraKit.Ops.Inspect;

/// <summary>
/// What a file or folder of tensors is: an adapter by its modules, a checkpoint or any other tensor file by its tensors.
/// </summary>
public sealed record AdapterInspection
{
    /// <summary>What was named.</summary>
    public required string Path { get; init; }

    /// <summary>The container: <c>safetensors</c>, <c>pickle</c>, <c>npz</c>, <c>onnx_adapter</c>.</summary>
    public required string Container { get; init; }

    /// <summary>The adapter layout it was read by; null for a checkpoint, and for an adapter whose layout is not read.</summary>
    public string? Layout { get; init; }

    /// <summary>The model family in the files' own words (<c>llama</c>, <c>sdxl_base_v1-0</c>); null where they do not say.</summary>
    public string? Family { get; init; }

    /// <summary>The architecture that the modules are of, by their names and shapes (<c>flux1</c>); else the model class or architecture in the files' own words; null where neither tells.</summary>
    public string? Architecture { get; init; }

    /// <summary>The base model an adapter was trained on, as its files name it; null where they do not say.</summary>
    public string? BaseModel { get; init; }

    /// <summary>The size of the tensor files, in bytes.</summary>
    public required long Bytes { get; init; }

    /// <summary>The element type that all tensors share, in the file's spelling; <c>mixed</c> where they differ, null where there are none.</summary>
    public string? DType { get; init; }

    /// <summary>Elements of all tensors together.</summary>
    public required long ParameterCount { get; init; }

    /// <summary>How many low-rank modules there are of each rank, ascending.</summary>
    public IReadOnlyDictionary<long, int> Ranks { get; init; } = new SortedDictionary<long, int>();

    /// <summary>How many modules an adapter updates: a weight and its bias are one.</summary>
    public int ModuleCount { get; init; }

    /// <summary>An adapter's updates, in the order of the file.</summary>
    public IReadOnlyList<InspectedModule> Modules { get; init; } = [];

    /// <summary>What is no update: replacements in an adapter, or all tensors of what is not read as an adapter.</summary>
    public IReadOnlyList<InspectedTensor> Extras { get; init; } = [];

    /// <summary>The container's own metadata.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();

    /// <summary>The file's hashes, where they were asked for.</summary>
    public FileHashes? Hashes { get; init; }

    /// <summary>What is odd about it.</summary>
    public IReadOnlyList<AdapterIssue> Issues { get; init; } = [];

    /// <summary>
    /// What the program of <see cref="InspectOptions.Check"/> does otherwise than the adapter says: <c>refused</c>, <c>ignored</c>, <c>different</c>; empty where it takes it for what it is, null
    /// where none was asked for.
    /// </summary>
    public IReadOnlyList<AdapterIssue>? Findings { get; init; }

    /// <summary>Opens a path and reports. Headers and configuration are read, and of an adapter the values too, for NaN and zero factors.</summary>
    /// <param name="path">An adapter or checkpoint, folder or file.</param>
    /// <param name="options">How much to look at.</param>
    /// <param name="compute">What decomposes updates for <see cref="InspectOptions.Spectrum"/>; null takes the managed kernels.</param>
    /// <param name="progress">Told of factors decomposed.</param>
    /// <param name="cancellation">Stops between pieces of values, and between modules.</param>
    /// <exception cref="Formats.LoraKitException">It does not exist or cannot be read.</exception>
    public static AdapterInspection Open(
        string path, InspectOptions options, Compute.ICompute? compute = null, IProgress<OpProgress>? progress = null, CancellationToken cancellation = default) =>
        new Inspector(options, compute, progress, cancellation).Inspect(path);
}
