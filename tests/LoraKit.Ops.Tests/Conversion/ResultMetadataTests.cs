using System.Security.Cryptography;
using System.Text.Json.Nodes;
using LoraKit.Formats;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Conversion;
using LoraKit.Ops.Tests.Adapters;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Conversion;

/// <summary>What a converted file says of itself.</summary>
public class ResultMetadataTests
{
    [Fact]
    public void SdScriptsMinimumAndModelSpecAreWritten()
    {
        using TempFolder folder = new();
        string diffusers = Convert(folder, FluxSample.Of().Save(folder["a.safetensors"]), "diffusers", "b.safetensors");
        IReadOnlyDictionary<string, string> metadata = Metadata(Convert(folder, diffusers, "kohya", "my style.safetensors"));
        Assert.Equal(
            new Dictionary<string, string>
            {
                ["ss_v2"] = "False",
                ["ss_base_model_version"] = "flux1",
                ["ss_network_module"] = "networks.lora_flux",
                ["ss_network_args"] = "None",
                // The fused weight has 6 columns, the others 2 and 4.
                ["ss_network_dim"] = "Dynamic",
                ["ss_network_alpha"] = "Dynamic",
                ["modelspec.sai_model_spec"] = "1.0.1",
                ["modelspec.architecture"] = "flux-1-dev/lora",
                ["modelspec.implementation"] = "https://github.com/black-forest-labs/flux",
                ["modelspec.title"] = "my style",
                ["modelspec.resolution"] = "1024x1024",
            }.OrderBy(e => e.Key, StringComparer.Ordinal),
            metadata.Where(e => e.Key.StartsWith("ss_") || e.Key.StartsWith("modelspec.")).OrderBy(e => e.Key, StringComparer.Ordinal));
    }

    [Theory]
    [InlineData(2, 1.0, "4", "2.0")]
    [InlineData(0, null, "4", "4.0")]
    public void RankAndAlphaAreThoseOfTheModules(int second, double? alpha, string rank, string expected)
    {
        using TempFolder folder = new();
        FluxSample sample = new();
        sample.Add(FluxSample.Plain, 32, 8, 4, alpha * 2);
        sample.Add("lora_unet_double_blocks_2_img_mlp_0", 32, 8, 4, alpha * second);
        string diffusers = Convert(folder, sample.Save(folder["a.safetensors"]), "diffusers", "b.safetensors");
        IReadOnlyDictionary<string, string> metadata = Metadata(Convert(folder, diffusers, "kohya", "c.safetensors"));
        Assert.Equal((rank, expected), (metadata["ss_network_dim"], metadata["ss_network_alpha"]));
    }

    /// <summary>The hashes by their definition: of the tensors saved in canonical order, with the ss_ keys alone.</summary>
    [Theory]
    [InlineData("flux1", "lora_unet_double_blocks_0_img_mlp_0", "kohya")]
    [InlineData("sd1", "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q", "kohya")]
    public void HashesAreOfTheFinalBytes(string architecture, string module, string to)
    {
        using TempFolder folder = new();
        FluxSample sample = new() { Metadata = { ["ss_output_name"] = "mine", ["sshs_model_hash"] = "stale", ["sshs_legacy_hash"] = "stale", ["modelspec.hash_sha256"] = "0xstale" } };
        // More than 1 MiB, so that the legacy hash has something to hash; half types beside alphas in F32.
        sample.Add(module, 1000, 400, 400, 3, DType.F16);
        string diffusers = Convert(folder, sample.Save(folder["a.safetensors"]), "diffusers", "b.safetensors", architecture);
        Assert.DoesNotContain(Metadata(diffusers), entry => entry.Key.StartsWith("sshs_") || entry.Key == "modelspec.hash_sha256" || entry.Value.Contains("stale"));
        string path = Convert(folder, diffusers, to, "c.safetensors", architecture);
        IReadOnlyDictionary<string, string> metadata = Metadata(path);
        byte[] file = File.ReadAllBytes(path);
        using SafetensorsFile opened = SafetensorsFile.Open(path);
        // The order of safetensors' own writer: wide types first, then names.
        Assert.Equal(
            opened.Tensors.OrderByDescending(t => t.DType == DType.F32).ThenBy(t => t.Name, StringComparer.Ordinal).Select(t => t.Name),
            opened.Tensors.OrderBy(t => t.Offset).Select(t => t.Name));
        byte[] data = file[(8 + BitConverter.ToInt32(file))..];
        Assert.Equal(System.Convert.ToHexStringLower(SHA256.HashData(data)), metadata["sshs_model_hash"]);
        byte[] header = SafetensorsHeader.Plan(opened.Tensors.Select(t => (t.Name, t.DType, t.Shape)), metadata.Where(e => e.Key.StartsWith("ss_")).ToDictionary()).ToBytes();
        byte[] hashed = [.. header, .. data];
        Assert.Equal(System.Convert.ToHexStringLower(SHA256.HashData(hashed[0x100000..Math.Min(hashed.Length, 0x110000)]))[..8], metadata["sshs_legacy_hash"]);
        Assert.NotEqual("e3b0c442", metadata["sshs_legacy_hash"]);
    }

    [Fact]
    public void WhatTrainingSaidSurvivesLayoutsThatHaveAHeader()
    {
        using TempFolder folder = new();
        FluxSample sample = FluxSample.Of();
        Dictionary<string, string> training = new()
        {
            ["ss_tag_frequency"] = """{"dir":{"cat":3}}""",
            ["ss_output_name"] = "cats",
            ["ss_steps"] = "100",
            ["ss_base_model_version"] = "flux1",
            ["ss_network_module"] = "networks.lora_flux",
            ["modelspec.title"] = "Cats",
            ["modelspec.author"] = "someone",
            ["modelspec.date"] = "2024-01-01T00:00:00",
            ["modelspec.architecture"] = "flux-1-schnell/lora",
            ["custom"] = "é",
        };
        foreach ((string key, string value) in training) sample.Metadata[key] = value;
        (sample.Metadata["ss_network_dim"], sample.Metadata["sshs_model_hash"]) = ("77", "stale");
        string before = Convert(folder, sample.Save(folder["a.safetensors"]), "diffusers", "b.safetensors", architecture: null);
        Assert.DoesNotContain("ss_network_dim", Metadata(before).Keys);
        IReadOnlyDictionary<string, string> metadata = Metadata(Convert(folder, before, "kohya", "c.safetensors", architecture: null));
        Assert.Equal(training.OrderBy(e => e.Key), metadata.Where(e => training.ContainsKey(e.Key)).OrderBy(e => e.Key));
        Assert.Equal("Dynamic", metadata["ss_network_dim"]);
        Assert.NotEqual("stale", metadata["sshs_model_hash"]);
    }

    [Fact]
    public void WhatIsOfAnotherArchitectureIsReplaced()
    {
        using TempFolder folder = new();
        FluxSample sample = new() { Metadata = { ["ss_base_model_version"] = "sdxl_base_v1-0", ["modelspec.architecture"] = "stable-diffusion-xl-v1-base/lora" } };
        sample.Add("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q", 8, 8, 2, 1);
        string diffusers = Convert(folder, sample.Save(folder["a.safetensors"]), "diffusers", "b.safetensors", "sd2");
        IReadOnlyDictionary<string, string> metadata = Metadata(Convert(folder, diffusers, "kohya", "c.safetensors", "sd2"));
        Assert.Equal(("sd_v2", "True", "stable-diffusion-v2-512/lora", "512x512"),
            (metadata["ss_base_model_version"], metadata["ss_v2"], metadata["modelspec.architecture"], metadata["modelspec.resolution"]));
        Assert.Equal("networks.lora", metadata["ss_network_module"]);
    }

    [Fact]
    public void ThePeftConfigurationGoesToDiffusersAndBack()
    {
        using TempFolder folder = new();
        PeftFolder peft = new(folder["peft"], 4, 8);
        (peft.Config["base_model_name_or_path"], peft.Config["use_rslora"], peft.Config["lora_dropout"], peft.Config["made_up"]) = ("org/flux", true, 0.25, 3);
        peft.Config["target_modules"] = new JsonArray("ff.net.0.proj");
        Random random = new(3);
        foreach (string module in (string[])["transformer_blocks.0.ff.net.0.proj", "transformer_blocks.1.ff.net.0.proj"])
        {
            peft.Add($"base_model.model.{module}.lora_A.weight", DType.F32, [4, 8], PeftFolder.Values(random, 32, DType.F32));
            peft.Add($"base_model.model.{module}.lora_B.weight", DType.F32, [32, 4], PeftFolder.Values(random, 128, DType.F32));
        }

        string source = peft.Save(), diffusers = Convert(folder, source, "diffusers", "b.safetensors");
        JsonObject packed = JsonNode.Parse(Metadata(diffusers)["lora_adapter_metadata"])!.AsObject();
        Assert.All(packed, setting => Assert.StartsWith("transformer.", setting.Key));
        Assert.Equal(["ff.net.0.proj"], packed["transformer.target_modules"]!.AsArray().Select(name => (string?)name));
        Assert.Equal((0.25, 4, 8), ((double)packed["transformer.lora_dropout"]!, (int)packed["transformer.r"]!, (int)packed["transformer.lora_alpha"]!));
        // LoraConfig refuses what it does not know.
        Assert.False(packed.ContainsKey("transformer.made_up"));
        string back = Convert(folder, diffusers, "peft", "back");
        JsonObject config = JsonNode.Parse(File.ReadAllText(Path.Combine(back, "adapter_config.json")))!.AsObject();
        Assert.Equal(("org/flux", true, 0.25), ((string?)config["base_model_name_or_path"], (bool)config["use_rslora"]!, (double)config["lora_dropout"]!));
        Assert.Equal(DeltaOracle.Updates(source).OrderBy(u => u.Key), DeltaOracle.Updates(back).OrderBy(u => u.Key));
        Assert.Equal(new Dictionary<string, string> { ["format"] = "pt" }, Metadata(Path.Combine(back, "adapter_model.safetensors")));
    }

    [Fact]
    public void TheBasesNameIsSdScriptsToo()
    {
        using TempFolder folder = new();
        FluxSample sample = FluxSample.Of();
        sample.Metadata["ss_sd_model_name"] = "org/flux";
        string peft = Convert(folder, sample.Save(folder["a.safetensors"]), "peft", "peft");
        Assert.Equal("org/flux", (string?)JsonNode.Parse(File.ReadAllText(Path.Combine(peft, "adapter_config.json")))!["base_model_name_or_path"]);
        Assert.Equal("org/flux", Metadata(Convert(folder, peft, "kohya", "c.safetensors"))["ss_sd_model_name"]);
    }

    /// <summary>diffusers hands the text to PEFT's LoraConfig as it is, and that takes none without targets.</summary>
    [Fact]
    public void TheHeadersConfigurationHasTargets()
    {
        using TempFolder folder = new();
        JsonObject packed = JsonNode.Parse(Metadata(Convert(folder, FluxSample.Of().Save(folder["a.safetensors"]), "diffusers", "b.safetensors"))["lora_adapter_metadata"])!.AsObject();
        Assert.Equal(
            ["norm_out.linear", "transformer_blocks.0.attn.to_k", "transformer_blocks.0.attn.to_q", "transformer_blocks.0.attn.to_v", "transformer_blocks.1.ff.net.0.proj"],
            packed["transformer.target_modules"]!.AsArray().Select(name => (string?)name));
    }

    [Fact]
    public void AMethodThatIsNoneAnyMoreIsNotSaid()
    {
        using TempFolder folder = new();
        FluxSample sample = new() { Metadata = { ["ss_network_module"] = "lycoris.kohya", ["ss_network_args"] = """{"algo": "loha"}""", ["ss_network_dim"] = "2", ["ss_network_alpha"] = "2" } };
        double[] ones = [.. Enumerable.Repeat(0.5, 16)];
        foreach (string part in (string[])["hada_w1_a", "hada_w2_a"]) sample.Add(new($"{FluxSample.Plain}.{part}", DType.F32, [8, 2], ones));
        foreach (string part in (string[])["hada_w1_b", "hada_w2_b"]) sample.Add(new($"{FluxSample.Plain}.{part}", DType.F32, [2, 8], ones));
        string path = folder["b.safetensors"];
        Converting.Run(Options(folder, sample.Save(folder["a.safetensors"]), "diffusers", "b.safetensors") with { Rank = 3 });
        IReadOnlyDictionary<string, string> metadata = Metadata(path);
        Assert.Equal(("networks.lora_flux", "None"), (metadata["ss_network_module"], metadata["ss_network_args"]));
        Assert.DoesNotContain("ss_network_dim", metadata.Keys);
    }

    [Fact]
    public void TheUserHasTheLastWord()
    {
        using TempFolder folder = new();
        ConvertOptions options = Options(folder, FluxSample.Of().Save(folder["a.safetensors"]), "diffusers", "b.safetensors") with
        {
            Metadata = new Dictionary<string, string> { ["modelspec.title"] = "T = 1", ["ss_base_model_version"] = "other", ["new"] = "" },
        };
        ConvertReport report = Converting.Run(options);
        IReadOnlyDictionary<string, string> metadata = Metadata(options.Output.Path);
        Assert.Equal(("T = 1", "other", ""), (metadata["modelspec.title"], metadata["ss_base_model_version"], metadata["new"]));
        Assert.Equal(metadata.OrderBy(e => e.Key), report.Metadata.OrderBy(e => e.Key));
    }

    [Theory]
    [InlineData("sshs_model_hash")]
    [InlineData("sshs_legacy_hash")]
    [InlineData("modelspec.hash_sha256")]
    [InlineData("ss_network_dim")]
    [InlineData("ss_network_alpha")]
    [InlineData("lora_adapter_metadata")]
    [InlineData("format")]
    [InlineData("")]
    public void WhatIsComputedCannotBeSet(string key)
    {
        using TempFolder folder = new();
        ConvertOptions options = Options(folder, FluxSample.Of().Save(folder["a.safetensors"]), "diffusers", "b.safetensors") with { Metadata = new Dictionary<string, string> { [key] = "x" } };
        Assert.Contains("cannot be set", Assert.Throws<InvalidOptionException>(() => Converting.Run(options)).Message);
    }

    private static ConvertOptions Options(TempFolder folder, string adapter, string layout, string output, string? architecture = "flux1") =>
        Converting.Options(adapter, folder[output]) with { Layout = layout, Architecture = architecture };

    private static string Convert(TempFolder folder, string adapter, string layout, string output, string? architecture = "flux1")
    {
        Converting.Run(Options(folder, adapter, layout, output, architecture));
        return folder[output];
    }

    private static IReadOnlyDictionary<string, string> Metadata(string path)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        return file.Metadata;
    }
}
