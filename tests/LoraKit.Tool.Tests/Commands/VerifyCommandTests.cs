using System.Text.Json;
using LoraKit.Tests;

namespace LoraKit.Tool.Tests.Commands;

public sealed class VerifyCommandTests
{
    [Fact]
    public void AValidAdapter()
    {
        ToolRun run = ToolRun.Of("verify", Paths.Fixture("peft", "lora-linear-f32", "adapter"), "--json", "--quiet");
        Assert.Equal(0, run.Code);
        Assert.Equal("", run.Messages);
        Assert.Equal(
            ["command", "version", "ok", "path", "valid", "findings", "checkedElements", "warnings", "error"],
            run.Json.EnumerateObject().Select(p => p.Name));
        Assert.True(run.Json.GetProperty("valid").GetBoolean());
        Assert.Equal(4344, run.Json.GetProperty("checkedElements").GetInt64());
    }

    [Fact]
    public void NaNIsAFinding()
    {
        using TempFolder folder = new();
        string adapter = TensorFile.WriteAdapter(folder["a"], up: float.NaN);
        ToolRun run = ToolRun.Of("verify", adapter, "--json");
        Assert.Equal(1, run.Code);
        Assert.False(run.Json.GetProperty("ok").GetBoolean());
        JsonElement finding = Assert.Single(run.Json.GetProperty("findings").EnumerateArray());
        Assert.Equal(["code", "message", "file", "tensor"], finding.EnumerateObject().Select(p => p.Name));
        Assert.Equal("non_finite", finding.GetProperty("code").GetString());
        Assert.Equal("base_model.model.q_proj.lora_B.weight", finding.GetProperty("tensor").GetString());
        Assert.Contains("1 finding", ToolRun.Of("verify", adapter).Output);
    }

    [Fact]
    public void OfManyFindingsTheFirstAreShown()
    {
        using TempFolder folder = new();
        string adapter = TensorFile.WriteAdapter(folder["a"]);
        File.WriteAllLines(folder["sums"], Enumerable.Range(0, 25).Select(i => $"{new string('0', 64)}  missing{i:00}"));
        string[] line = ["verify", adapter, "--manifest", folder["sums"]];
        ToolRun few = ToolRun.Of(line), all = ToolRun.Of([.. line, "--verbose"]);
        Assert.Contains("missing19", few.Output);
        Assert.DoesNotContain("missing20", few.Output);
        Assert.Contains("… and 5 more (--verbose lists them)", few.Output);
        Assert.Contains("25 findings", few.Output);
        Assert.Contains("missing24", all.Output);
        Assert.DoesNotContain("more", all.Output);
        Assert.Equal(25, ToolRun.Of([.. line, "--json"]).Json.GetProperty("findings").GetArrayLength());
    }

    [Fact]
    public void ABrokenFileIsAFinding()
    {
        using TempFolder folder = new();
        File.WriteAllText(folder["x.safetensors"], "<!DOCTYPE html><html></html>");
        ToolRun run = ToolRun.Of("verify", folder["x.safetensors"], "--json");
        Assert.Equal(1, run.Code);
        Assert.False(run.Json.GetProperty("valid").GetBoolean());
        Assert.Equal("invalid_file", run.Json.GetProperty("findings")[0].GetProperty("code").GetString());
    }

    [Fact]
    public void NoSuchPathStops()
    {
        ToolRun run = ToolRun.Of("verify", "/no/such/path", "--json");
        Assert.Equal(2, run.Code);
        Assert.Equal("not_found", run.Json.GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public void AnInterruptionEndsWith130()
    {
        ToolRun run = ToolRun.Of(new Dictionary<string, string>(), () =>
        {
            LoraKit.Tool.Interruption interruption = new();
            interruption.Interrupt();
            return interruption;
        }, "verify", Paths.Fixture("peft", "lora-linear-f32", "adapter"), "--json", "--quiet");
        Assert.Equal(130, run.Code);
        Assert.Equal("interrupted", run.Json.GetProperty("error").GetProperty("code").GetString());
        Assert.Single(run.Lines);
    }

    [Fact]
    public void AMergeIsCheckedAgainstItsBase()
    {
        using TempFolder folder = new();
        string adapter = TensorFile.WriteAdapter(folder["a"]), @base = TensorFile.WriteBase(folder["b", "model.safetensors"]);
        Assert.Equal(0, ToolRun.Of("merge", "--base", @base, "--adapter", $"{adapter}@0.5", "--out", folder["m.safetensors"], "--quiet", "--no-fsync").Code);
        ToolRun run = ToolRun.Of("verify", folder["m.safetensors"], "--base", @base, "--adapter", $"{adapter}@0.5", "--json", "--quiet");
        Assert.Equal(0, run.Code);
        Assert.Equal(
            ["command", "version", "ok", "path", "valid", "findings", "maxUlp", "wrongElements", "checkedElements", "warnings", "error"],
            run.Json.EnumerateObject().Select(p => p.Name));
        Assert.Equal((0, 0, 16), (run.Json.GetProperty("maxUlp").GetInt32(), run.Json.GetProperty("wrongElements").GetInt32(), run.Json.GetProperty("checkedElements").GetInt32()));
        ToolRun other = ToolRun.Of("verify", folder["m.safetensors"], "--base", @base, "--adapter", adapter, "--json");
        Assert.Equal(1, other.Code);
        Assert.Equal("not_the_merge", other.Json.GetProperty("findings")[0].GetProperty("code").GetString());
        Assert.Contains("not_the_merge", ToolRun.Of("verify", folder["m.safetensors"], "--base", @base, "--adapter", adapter).Output);
        Assert.Equal(2, ToolRun.Of("verify", folder["m.safetensors"], "--base", @base).Code);
    }

    [Fact]
    public void AManifestIsChecked()
    {
        using TempFolder folder = new();
        string @base = TensorFile.WriteBase(folder["b", "model.safetensors"]);
        File.WriteAllText(folder["SUMS"], $"{new string('0', 64)}  model.safetensors\n");
        ToolRun run = ToolRun.Of("verify", folder["b"], "--manifest", folder["SUMS"], "--json");
        Assert.Equal(1, run.Code);
        Assert.Equal(("hash_mismatch", @base), (run.Json.GetProperty("findings")[0].GetProperty("code").GetString(), run.Json.GetProperty("findings")[0].GetProperty("file").GetString()));
    }
}
