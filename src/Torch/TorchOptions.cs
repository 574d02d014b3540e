namespace LoraKit.Torch;

/// <summary>Where libtorch is looked for and what it computes on.</summary>
public sealed record TorchOptions
{
    /// <summary><c>cpu</c>, <c>cuda</c> (the first device), <c>cuda:N</c>, or <c>auto</c>: CUDA where it is there, else the CPU.</summary>
    public string Device { get; init; } = "auto";

    /// <summary>
    /// The directory with libtorch's libraries, a PyTorch's <c>torch/lib</c> for instance. Null: the environment variable
    /// LORAKIT_LIBTORCH, then beside the application, then the NuGet packages folder.
    /// </summary>
    public string? LibTorchDirectory { get; init; }

    /// <summary>
    /// Threads that libtorch uses within one operation on the CPU. One by default, for the callers are parallel already; more than one
    /// may change the last bit of a sum.
    /// </summary>
    /// <remarks>libtorch keeps one number for the whole process: the last <see cref="TorchCompute"/> created decides.</remarks>
    public int Threads { get; init; } = 1;
}
