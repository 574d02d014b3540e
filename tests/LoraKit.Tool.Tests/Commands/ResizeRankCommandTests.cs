using LoraKit.Tests;

namespace LoraKit.Tool.Tests.Commands;

public sealed class ResizeRankCommandTests
{
    private static readonly string[] Common = ["--json", "--quiet", "--no-fsync"];

    [Fact]
    public void TheDocumentHasItsFieldsInOrder()
    {
        using TempFolder folder = new();
        string adapter = TensorFile.WriteAdapter(folder["a"]);
        ToolRun run = ToolRun.Of(["resize-rank", adapter, "--out", folder["out"], "--rank", "1", .. Common]);
        Assert.Equal("", run.Messages);
        Assert.Equal(0, run.Code);
        Assert.Equal(
            ["command", "version", "ok", "path", "layout", "out", "dryRun", "modules", "bytesBefore", "bytesAfter", "relativeError", "warnings", "error"],
            run.Json.EnumerateObject().Select(p => p.Name));
        var module = Assert.Single(run.Json.GetProperty("modules").EnumerateArray());
        Assert.Equal(["name", "rankBefore", "rankAfter", "energyKept", "relativeError"], module.EnumerateObject().Select(p => p.Name));
        Assert.Equal(("q_proj", 2, 1), (module.GetProperty("name").GetString(), module.GetProperty("rankBefore").GetInt32(), module.GetProperty("rankAfter").GetInt32()));
        // B's two columns are the same: one rank is all there is.
        Assert.Equal(0, module.GetProperty("relativeError").GetDouble(), 1e-9);
        Assert.Equal(Size(folder["a"]), run.Json.GetProperty("bytesBefore").GetInt64());
        Assert.Equal(Size(folder["out"]), run.Json.GetProperty("bytesAfter").GetInt64());
        Assert.Contains("\"r\": 1", File.ReadAllText(folder["out", "adapter_config.json"]));
    }

    [Theory]
    [InlineData("exact", true)]
    [InlineData("keep", false)]
    public void AnOutputThatGrowsWithLowerRanksIsExplained(string type, bool grows)
    {
        using TempFolder folder = new();
        string adapter = Path.Combine(Paths.Repository, "tests", "fixtures", "sd-scripts-resize", "input.safetensors");
        ToolRun run = ToolRun.Of(["resize-rank", adapter, "--out", folder["out.safetensors"], "--rank", "12", "--dtype", type, "--no-fsync"]);
        Assert.Equal(0, run.Code);
        Assert.Equal(grows, run.Messages.Contains("new factors are F32", StringComparison.Ordinal));
        Assert.Equal(grows, new FileInfo(folder["out.safetensors"]).Length > new FileInfo(adapter).Length);
    }

    [Fact]
    public void ADryRunWritesNothingAndSaysTheSame()
    {
        using TempFolder folder = new();
        string adapter = TensorFile.WriteAdapter(folder["a"]);
        string[] line = ["resize-rank", adapter, "--out", folder["out"], "--energy", "0.9"];
        ToolRun plan = ToolRun.Of([.. line, .. Common, "--dry-run"]);
        Assert.Equal(0, plan.Code);
        Assert.True(plan.Json.GetProperty("dryRun").GetBoolean());
        Assert.False(Path.Exists(folder["out"]));
        Assert.Contains("would resize", ToolRun.Of([.. line, "--dry-run"]).Output);
        Assert.Contains("q_proj", ToolRun.Of([.. line, "--dry-run", "--verbose"]).Output);
        ToolRun run = ToolRun.Of([.. line, .. Common]);
        foreach (string field in (string[])["modules", "bytesAfter", "relativeError"])
        {
            Assert.Equal(plan.Json.GetProperty(field).GetRawText(), run.Json.GetProperty(field).GetRawText());
        }
    }

    [Theory]
    [InlineData("--rank", "0")]
    [InlineData("--rank", "-2")]
    [InlineData("--rank", "1.5")]
    [InlineData("--rank", "many")]
    [InlineData("--energy", "1.5")]
    [InlineData("--energy", "NaN")]
    [InlineData("--sv-fro", "0")]
    [InlineData("--sv-ratio", "0.5")]
    [InlineData("--sv-cumulative", "-1")]
    [InlineData("--max-error", "1")]
    [InlineData("--target-size", "10B")]
    [InlineData("--target-size", "10")]
    [InlineData("--rank", "1", "--energy", "0.5")]
    [InlineData("--rank", "1", "--max-rank", "4")]
    [InlineData("--energy", "0.5", "--min-rank", "0")]
    [InlineData("--energy", "0.5", "--balance", "c")]
    [InlineData("--energy", "0.5", "--dtype", "f8")]
    [InlineData("--balance", "b")]
    [InlineData]
    public void WhatMakesNoSenseIsRefusedInOneLine(params string[] options)
    {
        using TempFolder folder = new();
        string adapter = TensorFile.WriteAdapter(folder["a"]);
        ToolRun run = ToolRun.Of(["resize-rank", adapter, "--out", folder["out"], .. options]);
        Assert.Equal(2, run.Code);
        Assert.StartsWith("error: ", run.Messages);
        Assert.Single(run.Lines, line => line.StartsWith("error: ", StringComparison.Ordinal));
        Assert.DoesNotContain("unexpected", run.Messages);
        Assert.False(Path.Exists(folder["out"]));
    }

    [Fact]
    public void AnInputIsNeverReplaced()
    {
        using TempFolder folder = new();
        string adapter = TensorFile.WriteAdapter(folder["a"]);
        byte[] before = File.ReadAllBytes(folder["a", "adapter_model.safetensors"]);
        ToolRun run = ToolRun.Of(["resize-rank", adapter, "--out", adapter, "--rank", "1", "--force", .. Common]);
        Assert.Equal(2, run.Code);
        Assert.Equal("output", run.Json.GetProperty("error").GetProperty("code").GetString());
        Assert.Equal(before, File.ReadAllBytes(folder["a", "adapter_model.safetensors"]));
    }

    [Fact]
    public void EveryPolicyIsTaken()
    {
        using TempFolder folder = new();
        string adapter = TensorFile.WriteAdapter(folder["a"]);
        string[][] policies =
        [
            ["--rank", "4"], ["--energy", "0.5"], ["--sv-ratio", "3"], ["--sv-fro", "0.5"], ["--sv-cumulative", "0.5"], ["--max-error", "0.1"],
            ["--target-size", "5kB"], ["--energy", "1", "--max-rank", "2", "--min-rank", "1", "--conv-rank", "1", "--balance", "sqrt", "--dtype", "bf16", "--threads", "1"],
        ];
        for (int i = 0; i < policies.Length; i++)
        {
            ToolRun run = ToolRun.Of(["resize-rank", adapter, "--out", folder[$"out{i}"], .. policies[i], .. Common]);
            Assert.Equal("", run.Messages);
            Assert.Equal(0, run.Code);
            Assert.Equal(0, ToolRun.Of(["verify", folder[$"out{i}"], .. Common[..2]]).Code);
        }
    }

    private static long Size(string folder) => Directory.EnumerateFiles(folder).Sum(f => new FileInfo(f).Length);
}
