using System.CommandLine;
using LoraKit.Tool.Options;
using LoraKit.Tool.Render;
using LoraKit.Tool.Render.Json;
using LoraKit.Torch;

namespace LoraKit.Tool.Commands;

/// <summary><c>doctor</c>: what the tool finds on this machine.</summary>
internal static class DoctorCommand
{
    private const string Name = "doctor";

    public static Command Create(ToolEnvironment environment)
    {
        Option<string?> libTorch = new("--libtorch") { Description = "The directory to look for libtorch in", HelpName = "DIR" };
        Command command = new(Name, "Show the runtime, the processor, libtorch, CUDA devices and the Hugging Face cache") { libTorch };
        OutputOptions output = new(command);
        command.SetAction(parsed => Run(environment, output.Read(parsed), parsed.GetValue(libTorch)));
        return command;
    }

    private static int Run(ToolEnvironment environment, OutputSettings output, string? libTorchDirectory)
    {
        LibTorchReport libTorch = LibTorchReport.Create(new TorchOptions { LibTorchDirectory = libTorchDirectory });
        DoctorDocument document = new()
        {
            Command = Name,
            Ok = true,
            Runtime = MachineFacts.Runtime(),
            Simd = MachineFacts.Simd(),
            Libtorch = LibTorchBody.Of(libTorch),
            Cuda = CudaBody.Of(libTorch),
            HuggingFaceCache = MachineFacts.HuggingFaceCache(environment),
        };
        if (output.Json) JsonOutput.Write(environment.Output, document);
        else DoctorText.Write(environment.Output, document);
        return ExitCode.Done;
    }
}
