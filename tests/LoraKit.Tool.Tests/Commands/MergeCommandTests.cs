using System.Text.Json;
using LoraKit.Tests;

namespace LoraKit.Tool.Tests.Commands;

public sealed class MergeCommandTests
{
    private static readonly string[] Common = ["--json", "--quiet", "--no-fsync"];

    [Fact]
    public void TheDocumentHasItsFieldsInOrder()
    {
        using TempFolder folder = new();
        string adapter = TensorFile.WriteAdapter(folder["a"]);
        string @base = TensorFile.WriteBase(folder["b", "model.safetensors"]);
        ToolRun run = ToolRun.Of(["merge", "--base", @base, "--adapter", $"{adapter}@0.5", "--out", folder["out.safetensors"], .. Common]);
        Assert.Equal("", run.Messages);
        Assert.Equal(0, run.Code);
        Assert.Equal(
            [
                "command", "version", "ok", "base", "adapters", "out", "dryRun", "tensorsTotal", "tensorsChanged", "tensorsCopied",
                "bytesWritten", "unmatched", "seconds", "peakMemoryBytes", "shards", "warnings", "error",
            ],
            run.Json.EnumerateObject().Select(p => p.Name));
        Assert.Equal(["path", "weight", "layout", "modules"], run.Json.GetProperty("adapters")[0].EnumerateObject().Select(p => p.Name));
        Assert.Equal(["file", "bytes", "tensors"], run.Json.GetProperty("shards")[0].EnumerateObject().Select(p => p.Name));
        Assert.Equal(0.5, run.Json.GetProperty("adapters")[0].GetProperty("weight").GetDouble());
        Assert.Equal(2, run.Json.GetProperty("tensorsTotal").GetInt32());
        Assert.Equal(1, run.Json.GetProperty("tensorsChanged").GetInt32());
        Assert.Equal(1, run.Json.GetProperty("tensorsCopied").GetInt32());
        Assert.Equal(new FileInfo(folder["out.safetensors"]).Length, run.Json.GetProperty("bytesWritten").GetInt64());
        Assert.True(run.Json.GetProperty("peakMemoryBytes").GetInt64() > 1 << 20);
    }

    [Theory]
    [InlineData("--dtype")]
    [InlineData("--max-shard-size")]
    public void KeepIsTheSameAsNothing(string option)
    {
        using TempFolder folder = new();
        string adapter = TensorFile.WriteAdapter(folder["a"]);
        string @base = TensorFile.WriteBase(folder["b", "model.safetensors"]);
        string[] line = ["merge", "--base", @base, "--adapter", adapter, .. Common];
        Assert.Equal(0, ToolRun.Of([.. line, "--out", folder["one.safetensors"]]).Code);
        Assert.Equal(0, ToolRun.Of([.. line, "--out", folder["two.safetensors"], option, "keep"]).Code);
        Assert.Equal(File.ReadAllBytes(folder["one.safetensors"]), File.ReadAllBytes(folder["two.safetensors"]));
    }

    [Fact]
    public void ADryRunSaysWhatWouldStopTheOutput()
    {
        using TempFolder folder = new();
        string adapter = TensorFile.WriteAdapter(folder["a"]);
        string @base = TensorFile.WriteBase(folder["b", "model.safetensors"]);
        ToolRun run = ToolRun.Of(["merge", "--base", @base, "--adapter", adapter, "--out", @base, "--dry-run", .. Common]);
        Assert.Equal(2, run.Code);
        Assert.Equal("output", run.Json.GetProperty("error").GetProperty("code").GetString());
    }

    [Theory]
    [InlineData("", "a", "out")]
    [InlineData("b", "", "out")]
    [InlineData("b", "a", "")]
    public void EmptyPathsAreRefusedInOneLine(string @base, string adapter, string output)
    {
        using TempFolder folder = new();
        TensorFile.WriteAdapter(folder["a"]);
        TensorFile.WriteBase(folder["b", "model.safetensors"]);
        string Full(string name) => name.Length == 0 ? "" : folder[name];
        ToolRun run = ToolRun.Of("merge", "--base", Full(@base), "--adapter", Full(adapter), "--out", Full(output));
        Assert.Equal(2, run.Code);
        Assert.StartsWith("error: ", run.Messages);
        Assert.Single(run.Messages.TrimEnd().Split('\n'));
        Assert.DoesNotContain("unexpected", run.Messages);
    }

    [Fact]
    public void ADryRunWritesNothing()
    {
        using TempFolder folder = new();
        string adapter = TensorFile.WriteAdapter(folder["a"]);
        string @base = TensorFile.WriteBase(folder["b", "model.safetensors"]);
        string[] before = Directory.GetFileSystemEntries(folder.Path, "*", SearchOption.AllDirectories);
        ToolRun run = ToolRun.Of(["merge", "--base", @base, "--adapter", adapter, "--out", folder["out.safetensors"], "--dry-run", .. Common]);
        Assert.Equal(0, run.Code);
        Assert.True(run.Json.GetProperty("dryRun").GetBoolean());
        JsonElement changed = Assert.Single(run.Json.GetProperty("tensors").EnumerateArray(), t => t.GetProperty("action").GetString() == "change");
        Assert.Equal(["name", "action", "dtype", "shape", "file", "updates"], changed.EnumerateObject().Select(p => p.Name));
        Assert.Equal("q_proj.weight", changed.GetProperty("name").GetString());
        Assert.Equal(before, Directory.GetFileSystemEntries(folder.Path, "*", SearchOption.AllDirectories));
        ToolRun text = ToolRun.Of("merge", "--base", @base, "--adapter", adapter, "--out", folder["out.safetensors"], "--dry-run", "--verbose");
        Assert.Contains("q_proj.weight", text.Output);
        Assert.Equal(before, Directory.GetFileSystemEntries(folder.Path, "*", SearchOption.AllDirectories));
    }

    [Fact]
    public void EveryMissIsListed()
    {
        using TempFolder folder = new();
        string adapter = TensorFile.WriteAdapter(folder["a"], "other\u001bproj");
        string @base = TensorFile.WriteBase(folder["b", "model.safetensors"]);
        ToolRun run = ToolRun.Of(["merge", "--base", @base, "--adapter", adapter, "--out", folder["out.safetensors"], .. Common]);
        Assert.Equal(2, run.Code);
        Assert.Equal("target_mismatch", run.Json.GetProperty("error").GetProperty("code").GetString());
        Assert.Contains("other", run.Messages);
        Assert.DoesNotContain('\u001b', run.Messages);
        Assert.False(File.Exists(folder["out.safetensors"]));
    }

    [Fact]
    public void AnExistingOutputIsRefusedUnlessForced()
    {
        using TempFolder folder = new();
        string adapter = TensorFile.WriteAdapter(folder["a"]);
        string @base = TensorFile.WriteBase(folder["b", "model.safetensors"]);
        string[] line = ["merge", "--base", @base, "--adapter", adapter, "--out", folder["out.safetensors"], .. Common];
        Assert.Equal(0, ToolRun.Of(line).Code);
        byte[] first = File.ReadAllBytes(folder["out.safetensors"]);
        ToolRun again = ToolRun.Of(line);
        Assert.Equal(2, again.Code);
        Assert.Equal("output", again.Json.GetProperty("error").GetProperty("code").GetString());
        Assert.Equal(0, ToolRun.Of([.. line, "--force", "--threads", "2"]).Code);
        Assert.Equal(first, File.ReadAllBytes(folder["out.safetensors"]));
    }

    [Fact]
    public void SeveralAdaptersMayFollowOneOption()
    {
        using TempFolder folder = new();
        string one = TensorFile.WriteAdapter(folder["one"]);
        string two = TensorFile.WriteAdapter(folder["two"]);
        string @base = TensorFile.WriteBase(folder["b", "model.safetensors"]);
        ToolRun run = ToolRun.Of(["merge", "--base", @base, "--adapter", one, $"{two}@-1", "--out", folder["out.safetensors"], .. Common]);
        Assert.Equal(0, run.Code);
        Assert.Equal([1, -1], run.Json.GetProperty("adapters").EnumerateArray().Select(a => a.GetProperty("weight").GetDouble()));
    }

    [Fact]
    public void TheOutputIsVerifiedWhereThatIsAskedFor()
    {
        using TempFolder folder = new();
        string adapter = TensorFile.WriteAdapter(folder["a"]);
        string @base = TensorFile.WriteBase(folder["b", "model.safetensors"]);
        string[] line = ["merge", "--base", @base, "--adapter", $"{adapter}@0.5", "--verify"];
        ToolRun run = ToolRun.Of([.. line, "--out", folder["out.safetensors"], .. Common]);
        Assert.Equal(0, run.Code);
        JsonElement verified = run.Json.GetProperty("verified");
        Assert.Equal(["valid", "findings", "maxUlp", "wrongElements", "checkedElements"], verified.EnumerateObject().Select(p => p.Name));
        Assert.Equal((true, 16), (verified.GetProperty("valid").GetBoolean(), verified.GetProperty("checkedElements").GetInt32()));
        Assert.Contains("is valid", ToolRun.Of([.. line, "--out", folder["other.safetensors"], "--quiet"]).Output);
    }
}
