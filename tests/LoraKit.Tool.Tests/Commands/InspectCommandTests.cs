using System.Text.Json;
using LoraKit.Tests;

namespace LoraKit.Tool.Tests.Commands;

public sealed class InspectCommandTests
{
    private static readonly string Adapter = Paths.Fixture("peft", "lora-linear-f32", "adapter");

    [Fact]
    public void TheDocumentHasItsFieldsInOrder()
    {
        ToolRun run = ToolRun.Of("inspect", Adapter, "--json");
        Assert.Equal(0, run.Code);
        Assert.Equal("", run.Messages);
        Assert.Equal(
            [
                "command", "version", "ok", "path", "container", "layout", "family", "architecture", "baseModel", "bytes", "dtype",
                "moduleCount", "parameterCount", "ranks", "modules", "extras", "metadata", "issues", "warnings", "error",
            ],
            Names(run.Json));
        Assert.Equal(
            ["name", "kind", "outFeatures", "inFeatures", "shape", "rank", "alpha", "scale", "dtype", "dora"], Names(run.Json.GetProperty("modules")[0]));
        Assert.Equal(["code", "severity", "message", "where"], Names(run.Json.GetProperty("issues")[0]));
    }

    [Fact]
    public void TheDocumentIsTheAdapter()
    {
        JsonElement json = ToolRun.Of("inspect", Adapter, "--json").Json;
        Assert.Equal("inspect", json.GetProperty("command").GetString());
        Assert.True(json.GetProperty("ok").GetBoolean());
        Assert.Equal(Adapter, json.GetProperty("path").GetString());
        Assert.Equal("safetensors", json.GetProperty("container").GetString());
        Assert.Equal("peft", json.GetProperty("layout").GetString());
        Assert.Equal("F32", json.GetProperty("dtype").GetString());
        Assert.Equal(18, json.GetProperty("moduleCount").GetInt32());
        Assert.Equal(4344, json.GetProperty("parameterCount").GetInt64());
        Assert.Equal("""{"4":18}""", json.GetProperty("ranks").GetRawText());
        Assert.Equal(new FileInfo(Path.Combine(Adapter, "adapter_model.safetensors")).Length, json.GetProperty("bytes").GetInt64());
        Assert.Equal(18, json.GetProperty("modules").GetArrayLength());
        JsonElement module = json.GetProperty("modules").EnumerateArray().Single(m => m.GetProperty("name").GetString() == "model.layers.0.self_attn.v_proj");
        Assert.Equal(
            """{"name":"model.layers.0.self_attn.v_proj","kind":"lora","outFeatures":12,"inFeatures":24,"shape":[12,24],"rank":4,"alpha":8,"scale":2,"dtype":"F32","dora":false}""",
            module.GetRawText());
    }

    [Fact]
    public void ReplacementsAreExtras()
    {
        JsonElement extras = ToolRun.Of("inspect", Paths.Fixture("peft", "lora-modules-to-save", "adapter"), "--json").Json.GetProperty("extras");
        JsonElement head = Assert.Single(extras.EnumerateArray(), e => e.GetProperty("name").GetString() == "lm_head.weight");
        Assert.Equal(["name", "kind", "dtype", "shape"], Names(head));
        Assert.Equal("modules_to_save", head.GetProperty("kind").GetString());
    }

    /// <summary>What a program does otherwise is a finding, and exits with 1; what it takes is none.</summary>
    [Fact]
    public void FindingsComeWhenAProgramIsAskedFor()
    {
        ToolRun taken = ToolRun.Of("inspect", Adapter, "--check", "vllm", "--json");
        Assert.Equal(0, taken.Code);
        Assert.Equal(0, taken.Json.GetProperty("findings").GetArrayLength());
        ToolRun refused = ToolRun.Of("inspect", Paths.Fixture("peft", "lora-modules-to-save", "adapter"), "--check", "vllm", "--json");
        Assert.Equal(1, refused.Code);
        Assert.False(refused.Json.GetProperty("ok").GetBoolean());
        Assert.Equal(["code", "severity", "message", "where"], Names(refused.Json.GetProperty("findings")[0]));
        Assert.Equal("refused", refused.Json.GetProperty("findings")[0].GetProperty("code").GetString());
        Assert.Contains("warning (refused): vLLM takes no weights in full", ToolRun.Of("inspect", Paths.Fixture("peft", "lora-modules-to-save", "adapter"), "--check", "vllm").Output);
        ToolRun unknown = ToolRun.Of("inspect", Adapter, "--check", "vlm");
        Assert.Equal(2, unknown.Code);
        Assert.Contains("comfyui", unknown.Messages);
    }

    [Fact]
    public void HashesComeWhenAskedFor()
    {
        JsonElement hashes = ToolRun.Of("inspect", Adapter, "--json", "--hash").Json.GetProperty("hashes");
        Assert.Equal(["sha256", "xxh128", "sshs_model_hash", "sshs_legacy_hash"], Names(hashes));
    }

    [Fact]
    public void SpectraComeWhenAskedFor()
    {
        using TempFolder folder = new();
        // ΔW = 2 · 1·(6, 8, 10, 12): one direction of length 2·√3·√344.
        string adapter = TensorFile.WriteAdapter(folder["a"]);
        JsonElement module = ToolRun.Of("inspect", adapter, "--spectrum", "--json", "--quiet").Json.GetProperty("modules")[0];
        Assert.Equal(["norm", "spectrum", "energyRank", "stableRank"], Names(module).Skip(10));
        double norm = 2 * Math.Sqrt(3 * 344);
        Assert.Equal(norm, module.GetProperty("norm").GetDouble(), 1e-10);
        Assert.Equal(2, module.GetProperty("spectrum").GetArrayLength());
        Assert.Equal(norm, module.GetProperty("spectrum")[0].GetDouble(), 1e-10);
        Assert.Equal("""{"0.9":1,"0.95":1,"0.99":1}""", module.GetProperty("energyRank").GetRawText());
        Assert.Equal(1, module.GetProperty("stableRank").GetDouble(), 1e-10);
        Assert.Contains("stable rank", ToolRun.Of("inspect", adapter, "--spectrum", "--quiet").Output);
        Assert.DoesNotContain("norm", Names(ToolRun.Of("inspect", adapter, "--json").Json.GetProperty("modules")[0]));
    }

    [Fact]
    public void StrictIsAFinding()
    {
        using TempFolder folder = new();
        string zero = TensorFile.WriteAdapter(folder["zero"], up: 0);
        Assert.Equal(0, ToolRun.Of("inspect", zero).Code);
        ToolRun strict = ToolRun.Of("inspect", zero, "--strict", "--json");
        Assert.Equal(1, strict.Code);
        Assert.False(strict.Json.GetProperty("ok").GetBoolean());
        Assert.Equal(JsonValueKind.Null, strict.Json.GetProperty("error").ValueKind);
        Assert.Equal("zero_factor", strict.Json.GetProperty("issues")[0].GetProperty("code").GetString());
        Assert.Equal(0, ToolRun.Of("inspect", TensorFile.WriteAdapter(folder["good"]), "--strict").Code);
    }

    [Fact]
    public void TextSumsUpUnlessItIsVerbose()
    {
        string brief = ToolRun.Of("inspect", Adapter).Output;
        Assert.Contains("18, rank 4", brief);
        Assert.DoesNotContain("model.layers.0.self_attn.v_proj", brief);
        string full = ToolRun.Of("inspect", Adapter, "--verbose").Output;
        Assert.Equal(18, full.Split('\n').Count(l => l.StartsWith("model.layers.", StringComparison.Ordinal)));
    }

    [Fact]
    public void NamesInFilesDoNotReachTheTerminalRaw()
    {
        using TempFolder folder = new();
        string adapter = TensorFile.WriteAdapter(folder["a"], "q\u001b[2J\u202Eproj");
        ToolRun text = ToolRun.Of("inspect", adapter, "--verbose");
        Assert.Equal(0, text.Code);
        Assert.DoesNotContain('\u001b', text.Output);
        Assert.DoesNotContain('\u202E', text.Output);
        ToolRun json = ToolRun.Of("inspect", adapter, "--json");
        Assert.DoesNotContain('\u202E', json.Output);
        Assert.Equal("q\u001b[2J\u202Eproj", json.Json.GetProperty("modules")[0].GetProperty("name").GetString());
    }

    [Fact]
    public void ABrokenFileIsOneLineThatNamesIt()
    {
        using TempFolder folder = new();
        string adapter = TensorFile.WriteAdapter(folder["a"]);
        string file = Path.Combine(adapter, "adapter_model.safetensors");
        using (FileStream stream = File.OpenWrite(file)) stream.SetLength(stream.Length - 1);
        ToolRun run = ToolRun.Of("inspect", adapter, "--json");
        Assert.Equal(2, run.Code);
        Assert.Contains(file, Assert.Single(run.Lines));
        Assert.Equal("invalid_file", run.Json.GetProperty("error").GetProperty("code").GetString());
        Assert.Equal(file, run.Json.GetProperty("error").GetProperty("file").GetString());
    }

    [Fact]
    public void AModelIdIsFoundInTheCache()
    {
        using TempFolder cache = new();
        string snapshot = cache["models--org--tiny-lora", "snapshots", "abc"];
        TensorFile.WriteAdapter(snapshot);
        Directory.CreateDirectory(cache["models--org--tiny-lora", "refs"]);
        File.WriteAllText(cache["models--org--tiny-lora", "refs", "main"], "abc");
        Dictionary<string, string> variables = new() { ["HF_HUB_CACHE"] = cache.Path };
        ToolRun found = ToolRun.Of(variables, "inspect", "org/tiny-lora", "--json");
        Assert.Equal(0, found.Code);
        Assert.Equal("org/tiny-lora", found.Json.GetProperty("path").GetString());
        Assert.Equal(1, found.Json.GetProperty("moduleCount").GetInt32());
        ToolRun missing = ToolRun.Of(variables, "inspect", "org/other", "--json");
        Assert.Equal(2, missing.Code);
        Assert.Equal("not_found", missing.Json.GetProperty("error").GetProperty("code").GetString());
        Assert.Contains(cache.Path, Assert.Single(missing.Lines));
    }

    private static IEnumerable<string> Names(JsonElement element) => element.EnumerateObject().Select(p => p.Name);
}
