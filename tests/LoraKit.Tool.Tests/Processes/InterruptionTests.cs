using System.Diagnostics;
using System.Runtime.InteropServices;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Tool.Tests.Processes;

/// <summary>Signals to a real process in the midst of its work.</summary>
public sealed partial class InterruptionTests
{
    private const int Interrupt = 2;
    private const int Terminate = 15;

    [Theory]
    [InlineData(Interrupt)]
    [InlineData(Terminate)]
    public async Task AMergeLeavesNothingBehind(int signal)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs signals and sparse files");
        using TempFolder folder = new();
        string adapter = TensorFile.WriteAdapter(folder["a"]);
        string model = WriteSparseBase(folder["b", "model.safetensors"]);
        using Process merge = ToolProcess.StartTool(
            "merge", "--base", folder["b"], "--adapter", adapter, "--out", folder["out"], "--no-fsync", "--dtype", "f16", "--threads", "1", "--json");
        try
        {
            // Something hidden appears beside the output's place: it is writing.
            while (!merge.HasExited && Directory.GetFileSystemEntries(folder.Path).Length == 2)
            {
                await Task.Delay(5, TestContext.Current.CancellationToken);
            }

            Assert.False(merge.HasExited, "the merge was over before it could be interrupted");
            Assert.Equal(0, Kill(merge.Id, signal));
            Task<string> messages = merge.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            string output = await merge.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            await merge.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.Equal(130, merge.ExitCode);
            Assert.Contains("error: interrupted", await messages);
            Assert.Contains("\"code\":\"interrupted\"", output);
            Assert.Equal([folder["a"], folder["b"]], Directory.GetFileSystemEntries(folder.Path).Order());
            Assert.Equal(SparseBytes(model), new FileInfo(model).Length);
        }
        finally
        {
            if (!merge.HasExited) merge.Kill();
        }
    }

    // Large enough to be at work for a while, and no bytes on the disk: q_proj is real, the rest is a hole.
    private static string WriteSparseBase(string path)
    {
        SafetensorsHeader header = SparseHeader();
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using FileStream file = File.Create(path);
        file.Write(header.ToBytes());
        file.SetLength(header.FileLength);
        return path;
    }

    private static long SparseBytes(string path) => Path.Exists(path) ? SparseHeader().FileLength : -1;

    private static SafetensorsHeader SparseHeader() => SafetensorsHeader.Plan(
        [("q_proj.weight", DType.F32, new TensorShape(3, 4)), ("big.weight", DType.F32, new TensorShape(1 << 16, 1 << 12))], null);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
