using System.CommandLine;
using LoraKit.Formats;

namespace LoraKit.Tool.Options;

/// <summary>Which backend computes, and with what.</summary>
/// <param name="UsesTorch">libtorch instead of the managed kernels.</param>
/// <param name="Device"><c>auto</c>, <c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>; always <c>auto</c> or <c>cpu</c> for the managed kernels.</param>
/// <param name="Threads">How many threads; 0 takes one per processor.</param>
/// <param name="MemoryBytes">The cap for buffers.</param>
/// <param name="LibTorchDirectory">Where libtorch is; null looks in the usual places.</param>
internal sealed record ComputeSettings(bool UsesTorch, string Device, int Threads, long MemoryBytes, string? LibTorchDirectory);

/// <summary>The options of <see cref="ComputeSettings"/>.</summary>
internal sealed class ComputeOptions
{
    private readonly Option<string?> _device = new("--device")
    {
        Description = "auto, cpu, cuda or cuda:N; cuda computes with libtorch (default: auto, which is the CPU unless --compute torch finds CUDA)",
        HelpName = "DEVICE",
    };

    private readonly Option<string?> _compute = new("--compute")
    {
        Description = "simd (managed) or torch (libtorch) (default: simd, torch for --device cuda)",
        HelpName = "BACKEND",
    };

    private readonly Option<int> _threads = ThreadsOption.Create();
    private readonly Option<long?> _memory = MemoryOption.Create();
    private readonly Option<string?> _libTorch = new("--libtorch")
    {
        Description = "The directory with libtorch's libraries, such as a PyTorch's torch/lib (default: LORAKIT_LIBTORCH, beside the tool, the NuGet folder)",
        HelpName = "DIR",
    };

    public ComputeOptions(Command command)
    {
        command.Options.Add(_device);
        command.Options.Add(_compute);
        command.Options.Add(_threads);
        command.Options.Add(_memory);
        command.Options.Add(_libTorch);
    }

    /// <exception cref="InvalidOptionException">An unknown device or backend, or two that exclude each other.</exception>
    public ComputeSettings Read(ParseResult parsed)
    {
        string device = parsed.GetValue(_device) ?? "auto";
        string? compute = parsed.GetValue(_compute);
        bool cuda = IsCuda(device);
        if (!cuda && device is not ("auto" or "cpu"))
        {
            throw new InvalidOptionException($"--device: '{device}' is no device; expected auto, cpu, cuda or cuda:N");
        }

        if (compute is not (null or "simd" or "torch"))
        {
            throw new InvalidOptionException($"--compute: '{compute}' is no backend; expected simd or torch");
        }

        if (cuda && compute == "simd")
        {
            throw new InvalidOptionException($"--compute simd runs on the CPU only; use --compute torch, or no --compute, with --device {device}");
        }

        return new ComputeSettings(
            cuda || compute == "torch", device, parsed.GetValue(_threads), MemoryOption.Read(parsed, _memory), parsed.GetValue(_libTorch));
    }

    private static bool IsCuda(string device) => device == "cuda"
        || (device.StartsWith("cuda:", StringComparison.Ordinal) && device.Length is > 5 and < 9 && device.AsSpan(5).IndexOfAnyExceptInRange('0', '9') < 0);
}
