using System.Text.Json;
using LoraKit.Tests;

namespace LoraKit.Tool.Tests.Commands;

public sealed class DoctorCommandTests
{
    [Fact]
    public void SaysWhyLibTorchIsNotThere()
    {
        using TempFolder empty = new();
        ToolRun run = ToolRun.Of(new Dictionary<string, string> { ["HF_HOME"] = empty.Path }, "doctor", "--json", "--libtorch", empty.Path);
        Assert.Equal(0, run.Code);
        JsonElement json = run.Json;
        Assert.Equal(
            ["command", "version", "ok", "runtime", "simd", "libtorch", "cuda", "huggingFaceCache", "warnings", "error"],
            json.EnumerateObject().Select(p => p.Name));
        Assert.False(json.GetProperty("libtorch").GetProperty("loaded").GetBoolean());
        Assert.Contains(empty.Path, json.GetProperty("libtorch").GetProperty("problem").GetString());
        Assert.Equal(Path.Combine(empty.Path, "hub"), json.GetProperty("huggingFaceCache").GetProperty("path").GetString());
        Assert.False(json.GetProperty("huggingFaceCache").GetProperty("exists").GetBoolean());
        Assert.Equal(Environment.ProcessorCount, json.GetProperty("runtime").GetProperty("processors").GetInt32());
        Assert.StartsWith("simd-", json.GetProperty("simd").GetProperty("backend").GetString());
    }

    [Fact]
    public void SaysItInText()
    {
        using TempFolder empty = new();
        ToolRun run = ToolRun.Of("doctor", "--libtorch", empty.Path);
        Assert.Equal(0, run.Code);
        Assert.Contains("libtorch", run.Output);
        Assert.Contains("not loaded", run.Output);
    }
}
