using System.Text.Json;
using LoraKit.Tests;

namespace LoraKit.Tool.Tests.Commands;

public sealed class ConvertCommandTests
{
    private static readonly string[] Common = ["--json", "--quiet", "--no-fsync"];

    [Fact]
    public void TheDocumentHasItsFieldsInOrder()
    {
        using TempFolder folder = new();
        ToolRun run = ToolRun.Of(["convert", Loha(folder), "--to", "peft", "--out", folder["out"], "--rank", "1", .. Common]);
        Assert.Equal("", run.Messages);
        Assert.Equal(0, run.Code);
        Assert.Equal(
            [
                "command", "version", "ok", "path", "from", "to", "architecture", "base", "out", "dryRun", "modules", "written", "folded", "metadata", "flushed", "subnormal", "relativeError",
                "bytesWritten", "seconds", "peakMemoryBytes", "warnings", "error",
            ],
            run.Json.EnumerateObject().Select(p => p.Name));
        Assert.Equal("convert", run.Json.GetProperty("command").GetString());
        Assert.Equal("peft", run.Json.GetProperty("from").GetString());
        JsonElement module = Assert.Single(run.Json.GetProperty("modules").EnumerateArray());
        Assert.Equal(
            ["name", "kind", "form", "rank", "relativeError", "largestSingularValue", "smallestSingularValue"], module.EnumerateObject().Select(p => p.Name));
        Assert.Equal("layers.0.q", module.GetProperty("name").GetString());
        Assert.Equal("loha", module.GetProperty("kind").GetString());
        Assert.Equal("truncated", module.GetProperty("form").GetString());
        Assert.Equal(1, module.GetProperty("rank").GetInt32());
        // The update is diag(3, 4): rank 1 keeps 16 of 25.
        Assert.Equal(0.6, module.GetProperty("relativeError").GetDouble(), 1e-6);
        Assert.Equal(4, module.GetProperty("largestSingularValue").GetDouble(), 1e-6);
        Assert.Equal(0.6, run.Json.GetProperty("relativeError").GetDouble(), 1e-6);
        Assert.Equal(new DirectoryInfo(folder["out"]).EnumerateFiles().Sum(f => f.Length), run.Json.GetProperty("bytesWritten").GetInt64());
    }

    [Fact]
    public void ADryRunComputesAndWritesNothing()
    {
        using TempFolder folder = new();
        string[] line = ["convert", Loha(folder), "--to", "peft", "--out", folder["out"], "--max-error", "0.7", "--dry-run"];
        JsonElement json = ToolRun.Of([.. line, .. Common]).Json;
        Assert.True(json.GetProperty("dryRun").GetBoolean());
        Assert.Equal(JsonValueKind.Null, json.GetProperty("modules")[0].GetProperty("rank").ValueKind);
        ToolRun run = ToolRun.Of([.. line, "--verbose"]);
        Assert.Contains("would convert", run.Output);
        Assert.Contains("layers.0.q  loha  LoRA, nearest", run.Output);
        Assert.False(Directory.Exists(folder["out"]));
    }

    [Fact]
    public void APlanOfNamesAndWhatWasWritten()
    {
        using TempFolder folder = new();
        Dictionary<string, (long[], float[])> tensors = new()
        {
            ["lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight"] = ([3, 2], [1, 2, 3, 4, 5, 6]),
            ["lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight"] = ([6, 3], [1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1]),
            ["lora_unet_double_blocks_0_img_attn_qkv.alpha"] = ([], [6]),
        };
        TensorFile.Write(folder["a.safetensors"], tensors, new Dictionary<string, string> { ["ss_base_model_version"] = "flux1", ["ss_output_name"] = "mine" });
        string[] line = ["convert", folder["a.safetensors"], "--from", "kohya", "--to", "diffusers", "--out", folder["b.safetensors"]];
        ToolRun plan = ToolRun.Of([.. line, "--dry-run", "--verbose"]);
        Assert.Equal(0, plan.Code);
        Assert.Contains("lora_unet_double_blocks_0_img_attn_qkv  transformer.transformer_blocks.0.attn.to_q", plan.Output);
        Assert.False(File.Exists(folder["b.safetensors"]));
        JsonElement planned = ToolRun.Of([.. line, "--dry-run", .. Common]).Json;
        Assert.Equal(3, planned.GetProperty("written").GetArrayLength());
        Assert.All((string[])["folded", "metadata", "flushed", "subnormal", "bytesWritten"], name => Assert.Equal(JsonValueKind.Null, planned.GetProperty(name).ValueKind));

        JsonElement json = ToolRun.Of([.. line, "--dtype", "f16", "--metadata", "modelspec.title=a=b", .. Common]).Json;
        Assert.Equal(("kohya", "diffusers", "flux1"), (json.GetProperty("from").GetString(), json.GetProperty("to").GetString(), json.GetProperty("architecture").GetString()));
        Assert.Equal(
            ["transformer.transformer_blocks.0.attn.to_q", "transformer.transformer_blocks.0.attn.to_k", "transformer.transformer_blocks.0.attn.to_v"],
            json.GetProperty("written").EnumerateArray().Select(module => module.GetProperty("name").GetString()));
        Assert.All(json.GetProperty("written").EnumerateArray(), module => Assert.Equal("lora_unet_double_blocks_0_img_attn_qkv", Assert.Single(module.GetProperty("from").EnumerateArray()).GetString()));
        Assert.Equal((0, 0, 0), (json.GetProperty("folded").GetInt32(), json.GetProperty("flushed").GetInt32(), json.GetProperty("subnormal").GetInt32()));
        JsonElement metadata = json.GetProperty("metadata");
        Assert.Equal(("a=b", "mine"), (metadata.GetProperty("modelspec.title").GetString(), metadata.GetProperty("ss_output_name").GetString()));
    }

    [Fact]
    public void TheReportForPeople()
    {
        using TempFolder folder = new();
        ToolRun run = ToolRun.Of("convert", Loha(folder), "--to", "peft", "--out", folder["out"], "--max-error", "0.7");
        Assert.Equal(0, run.Code);
        Assert.Contains("loha  LoRA, nearest     1            0.6", run.Output);
        Assert.Contains("1 update, relative error 0.6", run.Output);
    }

    [Theory]
    [InlineData("invalid_option", "--to", "mlx")]
    [InlineData("invalid_option", "--to", "peft", "--rank", "0")]
    [InlineData("invalid_option", "--to", "peft", "--rank", "1", "--energy", "0.5")]
    [InlineData("invalid_option", "--to", "other", "--rank", "1")]
    [InlineData("unsupported", "--to", "kohya", "--rank", "1")]
    [InlineData("usage", "--rank", "1")]
    [InlineData("not_found", "--to", "peft", "--rank", "1", "--base", "./nowhere")]
    public void WhatMakesNoSenseIsRefused(string code, params string[] options)
    {
        using TempFolder folder = new();
        ToolRun run = ToolRun.Of(["convert", Loha(folder), "--out", folder["out"], .. options, .. Common]);
        Assert.Equal(2, run.Code);
        Assert.Equal(code, run.Json.GetProperty("error").GetProperty("code").GetString());
        Assert.False(Directory.Exists(folder["out"]));
    }

    /// <summary>(I · diag(3, 4)) ∘ (ones · ones).</summary>
    private static string Loha(TempFolder folder)
    {
        TensorFile.Write(folder["loha", "adapter_model.safetensors"], new Dictionary<string, (long[], float[])>
        {
            ["base_model.model.layers.0.q.hada_w1_a"] = ([2, 2], [1, 0, 0, 1]),
            ["base_model.model.layers.0.q.hada_w1_b"] = ([2, 2], [3, 0, 0, 4]),
            ["base_model.model.layers.0.q.hada_w2_a"] = ([2, 2], [1, 0, 1, 0]),
            ["base_model.model.layers.0.q.hada_w2_b"] = ([2, 2], [1, 1, 0, 0]),
        });
        File.WriteAllText(folder["loha", "adapter_config.json"], """{"peft_type": "LOHA", "r": 2, "alpha": 2, "target_modules": ["q"]}""");
        return folder["loha"];
    }
}
