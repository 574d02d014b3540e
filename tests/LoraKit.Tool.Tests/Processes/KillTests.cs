using System.Diagnostics;
using System.IO.Hashing;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Tool.Tests.Processes;

/// <summary>A merge killed without warning: there is no output, or the whole of it; the next run cleans up and succeeds.</summary>
public sealed class KillTests
{
    private const int Moments = 10;
    private const int Layers = 12;
    private const int Width = 1024;

    /// <param name="recorded">Whether an undo record is written beside the model; it gets its name first.</param>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void NoOutputOrTheWholeOfIt(bool recorded)
    {
        using TempFolder folder = new();
        WriteBase(folder["base", "model.safetensors"]);
        WriteAdapter(folder["adapter"]);
        Dictionary<string, string> inputs = Hashes(folder["base"], folder["adapter"]);

        long started = Stopwatch.GetTimestamp();
        Assert.Equal(0, Merge(folder, folder["whole"], recorded, killAfter: null));
        TimeSpan whole = Stopwatch.GetElapsedTime(started);
        Dictionary<string, string> expected = Hashes(folder["whole"]);
        byte[] record = recorded ? File.ReadAllBytes(folder["whole.undo"]) : [];

        Random random = new(2026);
        int killed = 0;
        for (int i = 0; i < Moments; i++)
        {
            TimeSpan moment = whole * ((i + random.NextDouble()) / Moments);
            int code = Merge(folder, folder["out"], recorded, moment);
            if (recorded && (Path.Exists(folder["out"]) || Path.Exists(folder["out.undo"])))
            {
                Assert.Equal(record, File.ReadAllBytes(folder["out.undo"]));
                File.Delete(folder["out.undo"]);
            }

            if (Path.Exists(folder["out"]))
            {
                // It ended before, or was killed after the output had its name: then all of it is there.
                Assert.Equal(expected, Hashes(folder["out"]));
                Directory.Delete(folder["out"], recursive: true);
            }
            else
            {
                Assert.NotEqual(0, code);
                killed++;
            }

            Assert.Equal(inputs, Hashes(folder["base"], folder["adapter"]));
        }

        Assert.True(killed > 0, "no run was killed before its output was there");
        Assert.Equal(0, Merge(folder, folder["out"], recorded, killAfter: null));
        Assert.Equal(expected, Hashes(folder["out"]));
        string[] left = recorded ? ["adapter", "base", "out", "out.undo", "whole", "whole.undo"] : ["adapter", "base", "out", "whole"];
        Assert.Equal(left, Directory.GetFileSystemEntries(folder.Path).Select(e => Path.GetFileName(e)!).Order());
    }

    private static int Merge(TempFolder folder, string output, bool recorded, TimeSpan? killAfter)
    {
        string[] record = recorded ? ["--undo", output + ".undo"] : [];
        using Process process = ToolProcess.StartTool(
            ["merge", "--base", folder["base"], "--adapter", folder["adapter"], "--out", output, "--quiet", "--memory", "1MB", .. record]);
        if (killAfter is { } moment && !process.WaitForExit(moment)) process.Kill();
        process.WaitForExit();
        return process.ExitCode;
    }

    private static void WriteBase(string path)
    {
        SafetensorsHeader header = SafetensorsHeader.Plan(
            Enumerable.Range(0, Layers).Select(i => ($"layers.{i}.q.weight", DType.BF16, new TensorShape(Width, Width))), null);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        byte[] data = new byte[header.FileLength - header.DataOffset];
        new Random(1).NextBytes(data);
        using FileStream file = File.Create(path);
        file.Write(header.ToBytes());
        file.Write(data);
    }

    private static void WriteAdapter(string folder)
    {
        const int Rank = 8;
        Random random = new(2);
        float[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
        TensorFile.Write(
            Path.Combine(folder, "adapter_model.safetensors"),
            Enumerable.Range(0, Layers).SelectMany(i => new[]
            {
                KeyValuePair.Create($"base_model.model.layers.{i}.q.lora_A.weight", (new long[] { Rank, Width }, Values(Rank * Width))),
                KeyValuePair.Create($"base_model.model.layers.{i}.q.lora_B.weight", (new long[] { Width, Rank }, Values(Width * Rank))),
            }).ToDictionary());
        File.WriteAllText(Path.Combine(folder, "adapter_config.json"), $$"""{"peft_type": "LORA", "r": {{Rank}}, "lora_alpha": 4}""");
    }

    private static Dictionary<string, string> Hashes(params string[] folders) => folders
        .SelectMany(f => Directory.EnumerateFiles(f, "*", SearchOption.AllDirectories).Select(p => (Name: Path.GetRelativePath(f, p), Path: p)))
        .ToDictionary(f => f.Name, f => Convert.ToHexString(XxHash128.Hash(File.ReadAllBytes(f.Path))));
}
