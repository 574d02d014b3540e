using LoraKit.Tests;

namespace LoraKit.Tool.Tests.Commands;

public sealed class UnmergeCommandTests
{
    private static readonly string[] Common = ["--json", "--quiet", "--no-fsync"];

    private static readonly string[] Fields =
    [
        "command", "version", "ok", "merged", "method", "out", "dryRun", "tensorsTotal", "tensorsRestored", "tensorsCopied", "elementsRepaired", "mayDiffer",
        "bytesWritten", "seconds", "peakMemoryBytes", "warnings", "error",
    ];

    [Theory]
    [InlineData("undo")]
    [InlineData("adapter")]
    [InlineData("base")]
    public void TheDocumentHasItsFieldsInOrder(string method)
    {
        using TempFolder folder = new();
        Dictionary<string, string> ways = Merge(folder);
        string[] line = ["unmerge", "--merged", folder["out"], "--out", folder["back"], $"--{method}", ways[method], .. Common];
        ToolRun plan = ToolRun.Of([.. line, "--dry-run"]);
        Assert.Equal((0, ""), (plan.Code, plan.Messages));
        Assert.Equal(Fields, plan.Json.EnumerateObject().Select(p => p.Name));
        Assert.False(Path.Exists(folder["back"]));
        ToolRun run = ToolRun.Of(line);
        Assert.Equal((0, ""), (run.Code, run.Messages));
        Assert.Equal(Fields, run.Json.EnumerateObject().Select(p => p.Name));
        Assert.Equal(method, run.Json.GetProperty("method").GetString());
        Assert.Equal(2, run.Json.GetProperty("tensorsTotal").GetInt32());
        Assert.Equal(1, run.Json.GetProperty("tensorsRestored").GetInt32());
        Assert.Equal(new FileInfo(folder["back", "model.safetensors"]).Length, run.Json.GetProperty("bytesWritten").GetInt64());
        if (method != "adapter") Assert.Equal(File.ReadAllBytes(folder["b", "model.safetensors"]), File.ReadAllBytes(folder["back", "model.safetensors"]));
    }

    [Fact]
    public void AMergeTellsOfItsRecord()
    {
        using TempFolder folder = new();
        Merge(folder);
        string[] line = ["merge", "--base", folder["b"], "--adapter", folder["a"], "--out", folder["other"], "--undo", folder["other.safetensors"]];
        ToolRun plan = ToolRun.Of([.. line, .. Common, "--dry-run"]);
        Assert.Equal(["path", "bytes", "repaired", "changedBytes"], plan.Json.GetProperty("undo").EnumerateObject().Select(p => p.Name));
        Assert.False(Path.Exists(folder["other.safetensors"]));
        Assert.Contains("other.safetensors", ToolRun.Of([.. line, "--dry-run"]).Output);
        ToolRun run = ToolRun.Of([.. line, .. Common]);
        Assert.Equal(new FileInfo(folder["other.safetensors"]).Length, run.Json.GetProperty("undo").GetProperty("bytes").GetInt64());
        Assert.Equal(48, run.Json.GetProperty("undo").GetProperty("changedBytes").GetInt64());
        Assert.Equal(
            ["shards", "undo", "verified", "warnings", "error"],
            ToolRun.Of([.. line, "--force", "--verify", "--json"]).Json.EnumerateObject().Select(p => p.Name).TakeLast(5));
        Assert.Contains("undo record", ToolRun.Of([.. line, "--force"]).Output);
        Assert.Contains("0 elements repaired", ToolRun.Of("unmerge", "--merged", folder["other"], "--undo", folder["other.safetensors"], "--out", folder["back"]).Output);
    }

    [Fact]
    public void OneWayIsNeeded()
    {
        using TempFolder folder = new();
        Dictionary<string, string> ways = Merge(folder);
        string[] line = ["unmerge", "--merged", folder["out"], "--out", folder["back"], .. Common];
        ToolRun none = ToolRun.Of(line), two = ToolRun.Of([.. line, "--undo", ways["undo"], "--base", ways["base"]]);
        Assert.Equal((2, 2), (none.Code, two.Code));
        Assert.All([none, two], run => Assert.Equal("invalid_option", run.Json.GetProperty("error").GetProperty("code").GetString()));
        ToolRun missing = ToolRun.Of([.. line, "--undo", folder["nothing"]]);
        Assert.Equal("not_found", missing.Json.GetProperty("error").GetProperty("code").GetString());
    }

    private static Dictionary<string, string> Merge(TempFolder folder)
    {
        string adapter = TensorFile.WriteAdapter(folder["a"]);
        TensorFile.WriteBase(folder["b", "model.safetensors"]);
        ToolRun run = ToolRun.Of(["merge", "--base", folder["b"], "--adapter", adapter, "--out", folder["out"], "--undo", folder["undo.safetensors"], .. Common]);
        Assert.Equal((0, ""), (run.Code, run.Messages));
        return new() { ["undo"] = folder["undo.safetensors"], ["adapter"] = adapter, ["base"] = folder["b"] };
    }
}
