using System.Text.Json;
using LoraKit.Tests;

namespace LoraKit.Tool.Tests.Commands;

public sealed class ExtractCommandTests
{
    private static readonly string[] Common = ["--json", "--quiet", "--no-fsync"];

    [Fact]
    public void TheDocumentHasItsFieldsInOrder()
    {
        using TempFolder folder = new();
        (string @base, string tuned) = Models(folder);
        ToolRun run = ToolRun.Of(["extract", "--base", @base, "--tuned", tuned, "--out", folder["out"], "--rank", "1", "--full", "none", .. Common]);
        Assert.Equal("", run.Messages);
        Assert.Equal(0, run.Code);
        Assert.Equal(
            [
                "command", "version", "ok", "base", "tuned", "out", "dryRun", "modules", "full", "skipped", "leftOut", "relativeError", "bytesWritten",
                "seconds", "peakMemoryBytes", "warnings", "error",
            ],
            run.Json.EnumerateObject().Select(p => p.Name));
        JsonElement module = Assert.Single(run.Json.GetProperty("modules").EnumerateArray());
        Assert.Equal(["name", "rank", "energyKept", "relativeError"], module.EnumerateObject().Select(p => p.Name));
        Assert.Equal("q_proj.weight", module.GetProperty("name").GetString());
        Assert.Equal(1, module.GetProperty("rank").GetInt32());
        // The difference is diag(3, 4, 0): rank 1 keeps 16 of 25.
        Assert.Equal(0.64, module.GetProperty("energyKept").GetDouble(), 1e-6);
        Assert.Equal(0.6, run.Json.GetProperty("relativeError").GetDouble(), 1e-6);
        Assert.Equal(1, run.Json.GetProperty("skipped").GetInt32());
        Assert.Equal("norm.weight", Assert.Single(run.Json.GetProperty("leftOut").EnumerateArray()).GetString());
        Assert.Contains("1 changed tensor is left out", Assert.Single(run.Json.GetProperty("warnings").EnumerateArray()).GetString());
        Assert.Equal(new DirectoryInfo(folder["out"]).EnumerateFiles().Sum(f => f.Length), run.Json.GetProperty("bytesWritten").GetInt64());
    }

    [Fact]
    public void ADryRunComputesAndWritesNothing()
    {
        using TempFolder folder = new();
        (string @base, string tuned) = Models(folder);
        string[] line = ["extract", "--base", @base, "--tuned", tuned, "--out", folder["out"], "--energy", "0.9", "--dry-run"];
        JsonElement json = ToolRun.Of([.. line, .. Common]).Json;
        Assert.True(json.GetProperty("dryRun").GetBoolean());
        Assert.Equal(JsonValueKind.Null, json.GetProperty("modules")[0].GetProperty("rank").ValueKind);
        Assert.Equal("norm.weight", json.GetProperty("full")[0].GetString());
        ToolRun run = ToolRun.Of([.. line, "--verbose"]);
        Assert.Contains("1 module, 1 carried in full, 1 unchanged, 0 left out", run.Output);
        Assert.Contains("q_proj.weight  low-rank update", run.Output);
        Assert.False(Directory.Exists(folder["out"]));
    }

    [Fact]
    public void TheReportForPeople()
    {
        using TempFolder folder = new();
        (string @base, string tuned) = Models(folder);
        ToolRun run = ToolRun.Of("extract", "--base", @base, "--tuned", tuned, "--out", folder["out"], "--max-error", "0.7", "--full", "none", "--verbose");
        Assert.Equal(0, run.Code);
        Assert.Contains("1 module, rank 1, relative error 0.6, 0 carried in full", run.Output);
        Assert.Contains("warning: 1 changed tensor is left out", run.Messages);
    }

    [Theory]
    [InlineData("invalid_option", "--rank", "0")]
    [InlineData("invalid_option", "--energy", "1.5")]
    [InlineData("invalid_option", "--rank", "1", "--energy", "0.5")]
    [InlineData("invalid_option")]
    [InlineData("invalid_option", "--rank", "1", "--full", "norms,heads")]
    [InlineData("invalid_option", "--rank", "1", "--include", "(")]
    [InlineData("invalid_option", "--rank", "1", "--to", "other")]
    [InlineData("usage", "--rank", "x")]
    [InlineData("unsupported", "--rank", "1", "--exclude", ".")]
    public void WhatMakesNoSenseIsRefused(string code, params string[] options)
    {
        using TempFolder folder = new();
        (string @base, string tuned) = Models(folder);
        ToolRun run = ToolRun.Of(["extract", "--base", @base, "--tuned", tuned, "--out", folder["out"], .. options, .. Common]);
        Assert.Equal(2, run.Code);
        Assert.Equal(code, run.Json.GetProperty("error").GetProperty("code").GetString());
        Assert.False(Directory.Exists(folder["out"]));
    }

    private static (string Base, string Tuned) Models(TempFolder folder)
    {
        float[] before = [1, 2, 3, 4, 5, 6, 7, 8, 9], after = [4, 2, 3, 4, 9, 6, 7, 8, 9];
        return (Model("base", before, 1), Model("tuned", after, 2));

        string Model(string name, float[] values, float norm)
        {
            TensorFile.Write(folder[name, "model.safetensors"], new Dictionary<string, (long[], float[])>
            {
                ["q_proj.weight"] = ([3, 3], values),
                ["k_proj.weight"] = ([3, 3], before),
                ["norm.weight"] = ([3], [norm, 1, 1]),
            });
            return folder[name];
        }
    }
}
