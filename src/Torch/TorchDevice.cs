using System.Globalization;
using LoraKit.Formats;

namespace LoraKit.Torch;

/// <summary>What a device option says, before anything is loaded.</summary>
/// <param name="Kind">Which kind of device.</param>
/// <param name="Index">Which of them; 0 for the CPU.</param>
internal readonly record struct TorchDevice(TorchDeviceKind Kind, int Index)
{
    /// <summary>Reads <c>auto</c>, <c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>.</summary>
    /// <exception cref="InvalidOptionException">It is none of these.</exception>
    public static TorchDevice Parse(string text) => text switch
    {
        "auto" => new(TorchDeviceKind.Auto, 0),
        "cpu" => new(TorchDeviceKind.Cpu, 0),
        "cuda" => new(TorchDeviceKind.Cuda, 0),
        _ when text.StartsWith("cuda:", StringComparison.Ordinal)
            && byte.TryParse(text.AsSpan(5), NumberStyles.None, CultureInfo.InvariantCulture, out byte index) => new(TorchDeviceKind.Cuda, index),
        _ => throw new InvalidOptionException($"device '{text}' is not known; use auto, cpu, cuda or cuda:N"),
    };

    public override string ToString() => Kind switch
    {
        TorchDeviceKind.Cuda => string.Create(CultureInfo.InvariantCulture, $"cuda:{Index}"),
        TorchDeviceKind.Cpu => "cpu",
        _ => "auto",
    };
}

internal enum TorchDeviceKind
{
    Auto,
    Cpu,
    Cuda,
}
