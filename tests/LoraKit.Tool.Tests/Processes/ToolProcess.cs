using System.Diagnostics;

namespace LoraKit.Tool.Tests.Processes;

/// <summary>The built tool as a process of its own.</summary>
internal static class ToolProcess
{
    public static string Assembly { get; } = Path.Combine(AppContext.BaseDirectory, "LoraKit.Tool.dll");

    /// <summary>Starts a program with its streams redirected.</summary>
    public static Process Start(string program, params string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        return Process.Start(start)!;
    }

    /// <summary>Starts the tool.</summary>
    public static Process StartTool(params string[] arguments) => Start("dotnet", [Assembly, .. arguments]);

    /// <summary>Runs a line of shell in which <c>$lora</c> is the tool, and the arguments are <c>$1</c>, <c>$2</c>, …</summary>
    public static (int Code, string Output, string Messages) Shell(string line, params string[] arguments)
    {
        using Process process = Start("bash", ["-c", $"lora='dotnet {Assembly}'; {line}", "bash", .. arguments]);
        Task<string> messages = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, messages.Result);
    }
}
