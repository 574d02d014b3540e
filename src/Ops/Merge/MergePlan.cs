using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Merge;

/// <summary>
/// merge = round(W + Σ wᵢ·sᵢ·Bᵢ·Aᵢ), as a program over files: what is read, computed and written, known from headers alone. See
/// spec/algebra.md, "merge".
/// </summary>
public sealed class MergePlan : IDisposable
{
    /// <summary>Opens base and adapters, matches every module and lays out the output. Writes nothing.</summary>
    /// <exception cref="Formats.LoraKitException">Anything that would stop the merge and can be seen from headers.</exception>
    public static MergePlan Create(MergeOptions options) => throw new NotImplementedException();

    /// <summary>What was asked.</summary>
    public MergeOptions Options => throw new NotImplementedException();

    /// <summary>The adapters as they were read.</summary>
    public IReadOnlyList<MergeAdapter> Adapters => throw new NotImplementedException();

    /// <summary>Every tensor of the output, in the order it is written.</summary>
    public IReadOnlyList<PlannedTensor> Tensors => throw new NotImplementedException();

    /// <summary>The output's tensor files with their sizes, in order.</summary>
    public IReadOnlyList<PlannedFile> Shards => throw new NotImplementedException();

    /// <summary>Other files that are copied or changed on the way, by relative path.</summary>
    public IReadOnlyList<string> OtherFiles => throw new NotImplementedException();

    /// <summary>Adapter modules without a place in the base; empty unless <see cref="MergeOptions.AllowUnmatched"/>.</summary>
    public IReadOnlyList<string> Unmatched => throw new NotImplementedException();

    /// <summary>What the user should know before it runs, one line each.</summary>
    public IReadOnlyList<string> Warnings => throw new NotImplementedException();

    /// <summary>Bytes that will be written.</summary>
    public long OutputBytes => throw new NotImplementedException();

    /// <summary>Does it. On any exception, and on cancellation, nothing of the output is left.</summary>
    /// <exception cref="Formats.LoraKitException">A file, the disk or a value stopped it.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public MergeReport Run(ICompute compute, IProgress<OpProgress>? progress = null, CancellationToken cancellation = default) =>
        throw new NotImplementedException();

    /// <summary>Closes base and adapters.</summary>
    public void Dispose() => throw new NotImplementedException();
}

/// <summary>One adapter of a plan.</summary>
/// <param name="Path">As it was named.</param>
/// <param name="Weight">Its weight.</param>
/// <param name="Layout">The layout it was read by.</param>
/// <param name="Modules">How many modules it updates or replaces.</param>
/// <param name="Issues">What is odd about it.</param>
public sealed record MergeAdapter(
    string Path, double Weight, string Layout, int Modules, IReadOnlyList<Formats.Adapters.AdapterIssue> Issues);

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
