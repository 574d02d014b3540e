using LoraKit.Tests;

namespace LoraKit.Tool.Tests.Commands;

public sealed class RescaleCommandTests
{
    private static readonly string[] Common = ["--json", "--quiet", "--no-fsync"];

    [Fact]
    public void TheDocumentHasItsFieldsInOrder()
    {
        using TempFolder folder = new();
        string adapter = TensorFile.WriteAdapter(folder["a"]);
        ToolRun run = ToolRun.Of(["rescale", adapter, "--out", folder["out"], "--by", "-0.5", .. Common]);
        Assert.Equal("", run.Messages);
        Assert.Equal(0, run.Code);
        Assert.Equal(
            ["command", "version", "ok", "path", "layout", "out", "dryRun", "folded", "modules", "normBefore", "normAfter", "bytesWritten", "warnings", "error"],
            run.Json.EnumerateObject().Select(p => p.Name));
        var module = Assert.Single(run.Json.GetProperty("modules").EnumerateArray());
        Assert.Equal(["name", "scaleBefore", "scaleAfter", "splitQkv"], module.EnumerateObject().Select(p => p.Name));
        Assert.Equal((2, -1), (module.GetProperty("scaleBefore").GetDouble(), module.GetProperty("scaleAfter").GetDouble()));
        Assert.Contains("\"lora_alpha\": -2", File.ReadAllText(folder["out", "adapter_config.json"]));
        // 14 singles.
        Assert.Equal(File.ReadAllBytes(folder["a", "adapter_model.safetensors"])[^56..], File.ReadAllBytes(folder["out", "adapter_model.safetensors"])[^56..]);
    }

    [Theory]
    [InlineData("--alpha", "3")]
    [InlineData("--norm", "2.5")]
    [InlineData("--fold")]
    [InlineData("--by", "3", "--fold", "--dtype", "bf16")]
    [InlineData("--by", "0")]
    [InlineData("--norm", "1", "--include", "q_", "--exclude", "k_", "--threads", "1")]
    public void EveryWayIsTaken(params string[] options)
    {
        using TempFolder folder = new();
        string adapter = TensorFile.WriteAdapter(folder["a"]);
        ToolRun plan = ToolRun.Of(["rescale", adapter, "--out", folder["out"], .. options, .. Common, "--dry-run"]);
        Assert.Equal(0, plan.Code);
        Assert.False(Path.Exists(folder["out"]));
        ToolRun run = ToolRun.Of(["rescale", adapter, "--out", folder["out"], .. options, .. Common]);
        Assert.Equal("", run.Messages);
        Assert.Equal(0, run.Code);
        Assert.Equal(plan.Json.GetProperty("modules").GetRawText(), run.Json.GetProperty("modules").GetRawText());
        Assert.Equal(0, ToolRun.Of(["verify", folder["out"], .. Common[..2]]).Code);
    }

    [Fact]
    public void AnotherAdaptersNormIsMatched()
    {
        using TempFolder folder = new();
        string adapter = TensorFile.WriteAdapter(folder["a"]);
        string other = TensorFile.WriteAdapter(folder["b"], up: -3);
        ToolRun run = ToolRun.Of(["rescale", adapter, "--out", folder["out"], "--match", other, .. Common]);
        Assert.Equal(0, run.Code);
        Assert.Equal(3, run.Json.GetProperty("normAfter").GetDouble() / run.Json.GetProperty("normBefore").GetDouble(), 1e-12);
        Assert.Equal(6, run.Json.GetProperty("modules")[0].GetProperty("scaleAfter").GetDouble(), 1e-12);
    }

    [Theory]
    [InlineData]
    [InlineData("--by", "two")]
    [InlineData("--by", "NaN")]
    [InlineData("--by", "Infinity")]
    [InlineData("--alpha", "0")]
    [InlineData("--norm", "-1")]
    [InlineData("--match", "nowhere")]
    [InlineData("--by", "2", "--alpha", "3")]
    [InlineData("--by", "2", "--include", "(")]
    [InlineData("--by", "2", "--include", "nothing")]
    [InlineData("--fix-split-qkv")]
    [InlineData("--fix-split-qkv", "--alpha", "3")]
    public void WhatMakesNoSenseIsRefusedInOneLine(params string[] options)
    {
        using TempFolder folder = new();
        string adapter = TensorFile.WriteAdapter(folder["a"]);
        ToolRun run = ToolRun.Of(["rescale", adapter, "--out", folder["out"], .. options]);
        Assert.Equal(2, run.Code);
        Assert.StartsWith("error: ", run.Messages);
        Assert.Single(run.Lines, line => line.StartsWith("error: ", StringComparison.Ordinal));
        Assert.DoesNotContain("unexpected", run.Messages);
        Assert.False(Path.Exists(folder["out"]));
    }
}
