using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Tool.Tests.Commands;

/// <summary>What convert cannot do: exit code 2, one line that names it, nothing written.</summary>
public sealed class ConvertRefusalTests
{
    private const string Qkv = "lora_unet_double_blocks_0_img_attn_qkv", Mlp = "lora_unet_double_blocks_0_img_mlp_0", Text = "lora_te1_text_model_encoder_layers_0_mlp_fc1";

    private static readonly (string, int, int)[] Flux = [(Qkv, 24, 8), (Mlp, 32, 8)];

    [Fact]
    public void AnArchitectureNobodyKnows() => AssertStops("unsupported", "of no architecture whose names are known", [("model.made.up", 8, 8)], "diffusers");

    [Fact]
    public void AnArchitectureThatIsNone() => AssertStops("invalid_option", "'sd9' is no architecture; expected one of", Flux, "diffusers", "--arch", "sd9");

    [Fact]
    public void AnArchitectureThatItIsNot() => AssertStops("unsupported", "2 of its modules are nothing of sdxl", [.. Flux, (Text, 8, 8)], "diffusers", "--arch", "sdxl");

    [Fact]
    public void KeysLeftOver() => AssertStops(
        "unsupported", "1 of its modules are nothing of flux1, the architecture that was named: 'lora_unet_made_up'", [.. Flux, ("lora_unet_made_up", 8, 8)], "diffusers", "--arch", "flux1");

    /// <summary>FLUX.1, Chroma and more have this module, and sd-scripts' metadata says whose it is.</summary>
    [Fact]
    public void AnAmbiguousArchitectureWhereTheLayoutStatesIt() => AssertStops(
        "invalid_option", "could be of flux1 or ", [("transformer.transformer_blocks.0.ff.net.0.proj", 32, 8)], "kohya");

    [Fact]
    public void FusedShapesThatDoNotDivide() => AssertStops("unsupported", $"'{Qkv}.weight' is [25, 8], which does not divide into", [(Qkv, 25, 8)], "diffusers", "--arch", "flux1");

    [Fact]
    public void MissingPartsWhoseRowsNobodyKnows() => AssertStops(
        "unsupported", "24, 16, no rows", [("transformer.transformer_blocks.0.attn.to_q", 24, 8), ("transformer.transformer_blocks.0.attn.to_k", 16, 8)], "kohya", "--arch", "flux1");

    [Fact]
    public void PartsOfDifferentInputs() => AssertStops(
        "unsupported", "to_q.weight' is [8, 8], and another part of its weight [8, 6]", [("transformer.transformer_blocks.0.attn.to_q", 8, 8), ("transformer.transformer_blocks.0.attn.to_k", 8, 6)], "kohya",
        "--arch", "flux1");

    [Fact]
    public void TwoModelsIntoOne() => AssertStops("unsupported", "an adapter of the layout peft is of one model", [.. Flux, (Text, 8, 8)], "peft", "--arch", "flux1");

    [Fact]
    public void TextEncodersWithoutNames() => AssertStops("unsupported", "the layout lycoris has no names for the text_encoder of flux1", [.. Flux, (Text, 8, 8)], "lycoris", "--arch", "flux1");

    [Theory]
    [InlineData("""{"transformer.transformer_blocks.0.attn.to_q": "transformer.transformer_blocks.0.attn.to_k"}""", "invalid_file", "would all be 'transformer.transformer_blocks.0.attn.to_k'")]
    [InlineData("""{"made.up": "x"}""", "invalid_file", "1 of its names are no module of the result: 'made.up'")]
    [InlineData("""{"transformer.transformer_blocks.0.attn.to_q": "elsewhere"}""", "unsupported", "'elsewhere.weight' begins with no component of a pipeline")]
    [InlineData("[", "invalid_file", "is no valid JSON")]
    public void RenamesThatDoNotWork(string json, string code, string message)
    {
        using TempFolder folder = new();
        File.WriteAllText(folder["map.json"], json);
        AssertStops(code, message, Flux, "diffusers", "--arch", "flux1", "--rename", folder["map.json"]);
    }

    [Fact]
    public void ARenameFileThatIsNotThere() => AssertStops("not_found", "does not exist", Flux, "diffusers", "--arch", "flux1", "--rename", "./nowhere.json");

    [Theory]
    [InlineData("sshs_model_hash=0", "cannot be set")]
    [InlineData("ss_network_dim=4", "cannot be set")]
    [InlineData("=x", "a key has a name")]
    [InlineData("no value", "expected KEY=VALUE")]
    public void MetadataThatCannotBeSet(string entry, string message) => AssertStops("invalid_option", message, Flux, "diffusers", "--arch", "flux1", "--metadata", entry);

    [Fact]
    public void MetadataThatIsSetTwice() => AssertStops("invalid_option", "every key once", Flux, "diffusers", "--arch", "flux1", "--metadata", "a=1", "--metadata", "a=2");

    [Theory]
    [InlineData("made-up", "invalid_option")]
    [InlineData("peft", null)]
    [InlineData("diffusers", null)]
    [InlineData("diffusers-old", null)]
    [InlineData("cloneofsimo", null)]
    [InlineData("mlx", null)]
    [InlineData("onnx", null)]
    public void ALayoutThatItIsNot(string from, string? code) => AssertStops(code, "", Flux, "diffusers", "--arch", "flux1", "--from", from);

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void FactorsThatAreNotFinite(double value)
    {
        AssertStops("non_finite", $"{Qkv}.lora_up.weight", [.. Tensors(Flux, value)], "diffusers", "--arch", "flux1");
        AssertStops("non_finite", $"{Qkv}.lora_up.weight", [.. Tensors(Flux, value)], "diffusers", "--arch", "flux1", "--dtype", "f16");
    }

    [Fact]
    public void ValuesBeyondTheElementType() => AssertStops(
        "non_finite", $"{Qkv}.lora_up.weight: 1 of its 16 values is beyond the range of F16, the largest 70000", [.. Tensors(Flux, 70000)], "diffusers", "--arch", "flux1", "--dtype", "f16");

    /// <summary>One number where there should be a row for every output.</summary>
    [Fact]
    public void ABiasOfOneNumber() => AssertStops(
        null, "", [.. Tensors(Flux, 1), new TestTensor(Qkv + ".diff_b", DType.F32, [], [1])], "diffusers", "--arch", "flux1");

    private static IEnumerable<TestTensor> Tensors(IEnumerable<(string Module, int Rows, int Columns)> modules, double first = 1)
    {
        foreach ((string module, int rows, int columns) in modules)
        {
            bool isKohya = module.StartsWith("lora_", StringComparison.Ordinal) || !module.Contains("transformer.", StringComparison.Ordinal);
            yield return new(module + (isKohya ? ".lora_down.weight" : ".lora_A.weight"), DType.F32, [2, columns], [.. Enumerable.Range(0, 2 * columns).Select(i => i - 3.0)]);
            yield return new(module + (isKohya ? ".lora_up.weight" : ".lora_B.weight"), DType.F32, [rows, 2], [first, .. Enumerable.Range(1, (2 * rows) - 1).Select(i => i + 1.0)]);
            first = 1;
        }
    }

    private static void AssertStops(string? code, string message, (string, int, int)[] modules, string to, params string[] options) => AssertStops(code, message, [.. Tensors(modules)], to, options);

    private static void AssertStops(string? code, string message, TestTensor[] tensors, string to, params string[] options)
    {
        using TempFolder folder = new();
        SafetensorsBytes.Write(folder["a.safetensors"], tensors);
        string output = folder[to == "peft" ? "out" : "out.safetensors"];
        string[] line = ["convert", folder["a.safetensors"], "--to", to, "--out", output, "--no-fsync", .. options];
        ToolRun run = ToolRun.Of([.. line, "--quiet"]);
        Assert.Equal(2, run.Code);
        Assert.StartsWith("error: ", Assert.Single(run.Lines));
        Assert.Contains(message, run.Messages);
        string? actual = ToolRun.Of([.. line, "--json", "--quiet"]).Json.GetProperty("error").GetProperty("code").GetString();
        if (code is null) Assert.NotEqual("bug", actual);
        else Assert.Equal(code, actual);
        Assert.Equal([folder["a.safetensors"]], Directory.GetFileSystemEntries(folder.Path));
    }
}
