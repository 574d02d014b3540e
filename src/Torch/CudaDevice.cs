namespace LoraKit.Torch;

/// <summary>A CUDA device, as its driver describes it.</summary>
/// <param name="Index">Its number: N of <c>cuda:N</c>.</param>
/// <param name="Name">The model.</param>
/// <param name="MemoryBytes">Its memory in bytes; null where the driver does not tell.</param>
public sealed record CudaDevice(int Index, string Name, long? MemoryBytes);
