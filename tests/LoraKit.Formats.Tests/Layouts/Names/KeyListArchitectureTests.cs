using System.Text.Json;
using System.Text.RegularExpressions;
using LoraKit.Formats.Layouts.Names;
using LoraKit.Formats.Layouts.Names.Architectures;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Layouts.Names;

/// <summary>Names and shapes of real adapters without their values: each is of the architecture that its name says, and none of its modules is left over.</summary>
public sealed partial class KeyListArchitectureTests
{
    [Theory]
    [InlineData("lora_state_dicts/anima_lora_kohya_format.json", "anima")]
    [InlineData("lora_state_dicts/anima_lora_kohya_with_te_format.json", "anima")]
    [InlineData("lora_state_dicts/anima_lora_lokr_format.json", "anima")]
    [InlineData("lora_state_dicts/anima_lora_peft_format.json", "anima")]
    [InlineData("lora_state_dicts/flux_control_lora_format.json", "flux1")]
    [InlineData("lora_state_dicts/flux_dora_onetrainer_format.json", "flux1")]
    [InlineData("lora_state_dicts/flux_lokr_bfl_format.json", "flux1", "chroma")]
    [InlineData("lora_state_dicts/flux_lora_aitoolkit_format.json", "flux1", "chroma")]
    [InlineData("lora_state_dicts/flux_lora_diffusers_base_model_format.json", "flux1", "chroma")]
    [InlineData("lora_state_dicts/flux_lora_diffusers_format.json", "flux1")]
    [InlineData("lora_state_dicts/flux_lora_diffusers_no_proj_mlp_format.json", "flux1", "chroma")]
    [InlineData("lora_state_dicts/flux_lora_kohya_format.json", "flux1")]
    [InlineData("lora_state_dicts/flux_lora_kohya_with_te1_format.json", "flux1")]
    [InlineData("lora_state_dicts/krea2_lora_kohya_format.json", "krea2")]
    [InlineData("lora_state_dicts/qwen_image_lora_diffusers_format.json", "qwen-image")]
    [InlineData("lora_state_dicts/qwen_image_lora_kohya_format.json", "qwen-image")]
    [InlineData("tests/test_model_probe/Alien Style.safetensors", "sdxl")]
    [InlineData("tests/test_model_probe/shinkai_makoto_offset.safetensors", "sd1")]
    [InlineData("tests/test_model_probe/stripped_models/peft_adapter_model.safetensors", "flux1", "chroma")]
    public void Each_is_of_its_architecture(string list, string expected, params string[] others)
    {
        ArchitectureMatch match = Detected(list);
        Assert.Equal(expected, match.Best?.Name);
        Assert.Equal(others, match.Others.Select(other => other.Name));
        Assert.Equal([], match.Leftover);
    }

    /// <summary>A textual inversion has no module of any architecture.</summary>
    [Fact]
    public void An_embedding_is_of_none() => Assert.Null(Detected("tests/test_model_probe/EasyNegative.safetensors").Best);

    private static ArchitectureMatch Detected(string list)
    {
        Assert.SkipWhen(Paths.RealData is null, "no files of other programs on this machine");
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Paths.RealData!, "keylists", "invoke-ai__InvokeAI", list)));
        JsonElement keys = json.RootElement.TryGetProperty("keys", out JsonElement inner) ? inner : json.RootElement;
        Dictionary<string, Dictionary<string, long[]>> modules = [];
        foreach (JsonProperty key in keys.EnumerateObject())
        {
            Match match = Ending().Match(key.Name);
            if (key.Name == "metadata_key_for_stripped_models") continue;
            JsonElement sizes = key.Value.ValueKind == JsonValueKind.Array ? key.Value : key.Value.GetProperty("shape");
            modules.TryAdd(key.Name[..match.Index], []);
            modules[key.Name[..match.Index]][match.Value] = [.. sizes.EnumerateArray().Select(size => size.GetInt64())];
        }

        return ArchitectureDetection.Of([.. modules.Select(module => (module.Key, Shape(module.Value)))], new Dictionary<string, string>(), ArchitectureList.All);
    }

    /// <summary>The weight's, where the factors tell: [out, in, …kernel].</summary>
    private static TensorShape? Shape(Dictionary<string, long[]> tensors)
    {
        if (tensors.GetValueOrDefault(".lokr_w1") is { } first && tensors.GetValueOrDefault(".lokr_w2") is { } second) return new TensorShape([first[0] * second[0], first[1] * second[1]]);
        long[]? down = tensors.GetValueOrDefault(".lora_down.weight") ?? tensors.GetValueOrDefault(".lora_A.weight");
        long[]? up = tensors.GetValueOrDefault(".lora_up.weight") ?? tensors.GetValueOrDefault(".lora_B.weight");
        return down is null || up is null ? null : new TensorShape([up[0], .. down[1..]]);
    }

    [GeneratedRegex(@"(\.lora_(down|up|A|B)\.(weight|bias)|\.alpha|\.dora_scale|\.lokr_w[12](_[ab])?|\.scale|)$")]
    private static partial Regex Ending();
}
