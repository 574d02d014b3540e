using System.Runtime.InteropServices;
using LoraKit.Formats;

namespace LoraKit.Torch;

/// <summary>libtorch's errors have no types; those that a user can do something about are told by their words.</summary>
internal static class TorchFailure
{
    /// <summary>The error as LoraKit says it; null for one that nobody foresaw.</summary>
    /// <param name="error">What TorchSharp threw.</param>
    /// <param name="backend">The backend's name.</param>
    public static BackendUnavailableException? Explain(ExternalException error, string backend)
    {
        string said = error.Message.Split('\n')[0].Trim();
        if (said.Contains("out of memory", StringComparison.OrdinalIgnoreCase) || said.Contains("can't allocate memory", StringComparison.Ordinal))
        {
            return new BackendUnavailableException(
                $"{backend} ran out of memory; use fewer threads or a smaller --memory, free the device, or use --compute simd ({said})", error);
        }

        return said.Contains("CUDA", StringComparison.Ordinal)
            ? new BackendUnavailableException($"{backend} failed; use --device cpu or --compute simd ({said})", error)
            : null;
    }
}
