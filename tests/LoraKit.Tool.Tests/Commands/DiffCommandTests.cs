using System.Text.Json;
using LoraKit.Tests;

namespace LoraKit.Tool.Tests.Commands;

public sealed class DiffCommandTests
{
    [Fact]
    public void TheDocumentHasItsFieldsInOrder()
    {
        using TempFolder folder = new();
        string a = TensorFile.WriteAdapter(folder["a"]), b = TensorFile.WriteAdapter(folder["b"], up: 1.5f);
        ToolRun run = ToolRun.Of("diff", a, b, "--json", "--quiet");
        Assert.Equal(1, run.Code);
        Assert.Equal("", run.Messages);
        Assert.Equal(
            ["command", "version", "ok", "a", "b", "equal", "tensors", "maxAbs", "relative", "tolerance", "warnings", "error"],
            run.Json.EnumerateObject().Select(p => p.Name));
        JsonElement module = Assert.Single(run.Json.GetProperty("tensors").EnumerateArray());
        Assert.Equal(
            ["name", "status", "maxAbs", "relative", "maxUlp", "differing", "count", "cosine", "ulpHistogram"], module.EnumerateObject().Select(p => p.Name));
        Assert.Equal(("q_proj", "different", 12), (module.GetProperty("name").GetString(), module.GetProperty("status").GetString(), module.GetProperty("differing").GetInt32()));
        Assert.Equal(0.5, module.GetProperty("relative").GetDouble(), 1e-12);
        Assert.Equal(1, module.GetProperty("cosine").GetDouble(), 1e-12);
        Assert.Equal(JsonValueKind.Null, module.GetProperty("maxUlp").ValueKind);
        Assert.False(run.Json.GetProperty("equal").GetBoolean());
    }

    [Theory]
    [InlineData("0.5", 0)]
    [InlineData("0.49", 1)]
    [InlineData("0", 1)]
    public void AToleranceDecides(string tolerance, int code)
    {
        using TempFolder folder = new();
        TensorFile.Write(folder["a.safetensors"], new Dictionary<string, (long[], float[])> { ["w"] = ([2], [2, 0]) });
        TensorFile.Write(folder["b.safetensors"], new Dictionary<string, (long[], float[])> { ["w"] = ([2], [3, 0]) });
        ToolRun run = ToolRun.Of("diff", folder["a.safetensors"], folder["b.safetensors"], "--tolerance", tolerance, "--json");
        Assert.Equal(code, run.Code);
        Assert.Equal(code == 0, run.Json.GetProperty("ok").GetBoolean());
        Assert.Equal("""{"4194304":1}""", run.Json.GetProperty("tensors")[0].GetProperty("ulpHistogram").GetRawText());
        Assert.Equal(0, ToolRun.Of("diff", folder["a.safetensors"], folder["a.safetensors"]).Code);
    }

    [Theory]
    [InlineData("-1")]
    [InlineData("NaN")]
    [InlineData("much")]
    [InlineData("1e999")]
    public void WhatIsNoToleranceIsUsage(string tolerance)
    {
        using TempFolder folder = new();
        string a = TensorFile.WriteAdapter(folder["a"]);
        ToolRun run = ToolRun.Of("diff", a, a, "--json", $"--tolerance={tolerance}");
        Assert.Equal(2, run.Code);
        Assert.Equal("usage", run.Json.GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public void AnAdapterIsNoCheckpoint()
    {
        using TempFolder folder = new();
        ToolRun run = ToolRun.Of("diff", TensorFile.WriteAdapter(folder["a"]), TensorFile.WriteBase(folder["b", "model.safetensors"]), "--json");
        Assert.Equal(2, run.Code);
        Assert.Equal("invalid_option", run.Json.GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public void TextShowsWhatDiffersMostFirst()
    {
        using TempFolder folder = new();
        TensorFile.Write(folder["a.safetensors"], new Dictionary<string, (long[], float[])>
        {
            ["little"] = ([2], [1, 1]),
            ["much\u001b[2J"] = ([2], [1, 1]),
            ["same"] = ([1], [1]),
            ["gone"] = ([1], [1]),
        });
        TensorFile.Write(folder["b.safetensors"], new Dictionary<string, (long[], float[])>
        {
            ["little"] = ([2], [1, 1.1f]),
            ["much\u001b[2J"] = ([2], [1, 9]),
            ["same"] = ([1], [1]),
        });
        string text = ToolRun.Of("diff", folder["a.safetensors"], folder["b.safetensors"], "--quiet").Output;
        string[] lines = text.Split('\n');
        Assert.StartsWith("gone", lines[1]);
        Assert.StartsWith("much", lines[2]);
        Assert.StartsWith("little", lines[3]);
        Assert.Contains("3 of 4 tensors differ", text);
        Assert.DoesNotContain('\u001b', text);
        string full = ToolRun.Of("diff", folder["a.safetensors"], folder["b.safetensors"], "--quiet", "--verbose").Output;
        Assert.Contains("same", full);
        Assert.Contains("ulp up to", full);
    }
}
