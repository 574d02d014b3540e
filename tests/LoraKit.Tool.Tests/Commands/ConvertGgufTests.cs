using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Tool.Tests.Commands;

/// <summary><c>convert</c> to llama.cpp's adapters and back.</summary>
public sealed class ConvertGgufTests
{
    private const string Attention = "base_model.model.model.layers.0.self_attn.";
    private static readonly string[] Common = ["--json", "--quiet", "--no-fsync"];

    /// <summary>There by the configuration alone, back without any; bit by bit the same factors, and merged the same.</summary>
    [Fact]
    public void ThereAndBack()
    {
        using TempFolder folder = new();
        string adapter = Adapter(folder, "");
        Config(folder);
        foreach (string @base in new[] { folder["base"], folder["base", "config.json"] })
        {
            ToolRun run = ToolRun.Of(["convert", adapter, "--to", "gguf", "--out", folder["a.gguf"], "--base", @base, "--force", .. Common]);
            Assert.Equal(("", 0), (run.Messages, run.Code));
        }

        Assert.Equal(0, ToolRun.Of(["convert", folder["a.gguf"], "--to", "peft", "--out", folder["back"], .. Common]).Code);
        var before = SafetensorsBytes.Read(Path.Combine(adapter, "adapter_model.safetensors"));
        var after = SafetensorsBytes.Read(folder["back", "adapter_model.safetensors"]);
        Assert.Equal(before.Keys.Order(), after.Keys.Order());
        Assert.All(before, tensor => Assert.Equal(tensor.Value.Values, after[tensor.Key].Values));

        SafetensorsBytes.Write(folder["base", "model.safetensors"], [Weight("q_proj", 8), Weight("v_proj", 4)]);
        byte[][] merged = [.. new[] { adapter, folder["a.gguf"], folder["back"] }.Select((path, i) =>
        {
            ToolRun merge = ToolRun.Of(["merge", "--base", folder["base"], "--adapter", path, "--out", folder[$"m{i}"], .. Common]);
            Assert.Equal(("", 0), (merge.Messages, merge.Code));
            return File.ReadAllBytes(folder[$"m{i}", "model.safetensors"]);
        })];
        Assert.Equal(merged[0], merged[1]);
        Assert.Equal(merged[0], merged[2]);
        Assert.NotEqual(File.ReadAllBytes(folder["base", "model.safetensors"]), merged[0]);
    }

    /// <summary>rsLoRA and a pattern: scales differ, and are folded.</summary>
    [Fact]
    public void ScalesThatDifferAreFolded()
    {
        using TempFolder folder = new();
        string adapter = Adapter(folder, """, "use_rslora": true, "alpha_pattern": { "q_proj": 3 }""");
        Assert.Equal(0, ToolRun.Of(["convert", adapter, "--to", "gguf", "--out", folder["a.gguf"], "--base", Config(folder), .. Common]).Code);
        SafetensorsBytes.Write(folder["base", "model.safetensors"], [Weight("q_proj", 8), Weight("v_proj", 4)]);
        foreach ((string path, string name) in new[] { (adapter, "m0"), (folder["a.gguf"], "m1") })
        {
            Assert.Equal(0, ToolRun.Of(["merge", "--base", folder["base"], "--adapter", path, "--out", folder[name], .. Common]).Code);
        }

        var expected = SafetensorsBytes.Read(folder["m0", "model.safetensors"]);
        var actual = SafetensorsBytes.Read(folder["m1", "model.safetensors"]);
        Assert.All(expected, tensor => Assert.Equal(tensor.Value.Values, actual[tensor.Key].Values, (x, y) => Math.Abs(x - y) < 1e-5));
    }

    [Theory]
    [InlineData("unsupported", "architecture is not known")]
    [InlineData("unsupported", "head counts missing", "--arch", "llama")]
    [InlineData("unsupported", "no names in GGUF", "--arch", "flux1")]
    public void WhatIsNotKnownIsAskedFor(string code, string says, params string[] options)
    {
        using TempFolder folder = new();
        ToolRun run = ToolRun.Of(["convert", Adapter(folder, ""), "--to", "gguf", "--out", folder["a.gguf"], .. options, .. Common]);
        Assert.Equal(2, run.Code);
        Assert.Equal(code, run.Json.GetProperty("error").GetProperty("code").GetString());
        Assert.Contains(says, run.Json.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.False(File.Exists(folder["a.gguf"]));
        Assert.Equal(0, ToolRun.Of(["convert", Adapter(folder, ""), "--to", "gguf", "--out", folder["a.gguf"], "--arch", "qwen2", .. Common]).Code);
    }

    [Fact]
    public void TheFileIsCalledGguf()
    {
        using TempFolder folder = new();
        ToolRun run = ToolRun.Of(["convert", Adapter(folder, ""), "--to", "gguf", "--out", folder["a.safetensors"], "--arch", "qwen2", .. Common]);
        Assert.Equal(2, run.Code);
        Assert.Contains("something.gguf", run.Json.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    private static TestTensor Weight(string name, int rows) =>
        new($"model.layers.0.self_attn.{name}.weight", DType.F32, [rows, 6], [.. Enumerable.Range(0, rows * 6).Select(i => (i * 7 % 11) - 5.0)]);

    private static string Config(TempFolder folder)
    {
        Directory.CreateDirectory(folder["base"]);
        File.WriteAllText(folder["base", "config.json"], """{ "model_type": "mistral", "num_attention_heads": 2, "num_key_value_heads": 1 }""");
        return folder["base"];
    }

    private static string Adapter(TempFolder folder, string settings)
    {
        Random random = new(1);
        float[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
        TensorFile.Write(folder["adapter", "adapter_model.safetensors"], new Dictionary<string, (long[], float[])>
        {
            [Attention + "q_proj.lora_A.weight"] = ([3, 6], Values(18)),
            [Attention + "q_proj.lora_B.weight"] = ([8, 3], Values(24)),
            [Attention + "v_proj.lora_A.weight"] = ([3, 6], Values(18)),
            [Attention + "v_proj.lora_B.weight"] = ([4, 3], Values(12)),
        });
        File.WriteAllText(folder["adapter", "adapter_config.json"], $$"""{ "peft_type": "LORA", "r": 3, "lora_alpha": 5, "target_modules": ["q_proj", "v_proj"]{{settings}} }""");
        return folder["adapter"];
    }
}
