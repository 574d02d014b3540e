using System.Text.Json;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Containers;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>Names and shapes of real adapters without their values: each is of one layout, or said to be of none that is read.</summary>
public sealed class KeyListTests
{
    [Theory]
    [InlineData("anima_lora_kohya_format", "kohya")]
    [InlineData("anima_lora_kohya_with_te_format", "kohya")]
    [InlineData("anima_lora_peft_format", "comfy")]
    [InlineData("flux_control_lora_format", "comfy")]
    [InlineData("flux_dora_onetrainer_format", "kohya")]
    [InlineData("flux_lora_aitoolkit_format", "comfy")]
    [InlineData("flux_lora_diffusers_base_model_format", "peft")]
    [InlineData("flux_lora_diffusers_format", "diffusers")]
    [InlineData("flux_lora_diffusers_no_proj_mlp_format", "diffusers")]
    [InlineData("flux_lora_kohya_format", "kohya")]
    [InlineData("flux_lora_kohya_with_te1_format", "kohya")]
    [InlineData("flux_lora_xlabs_format", "xlabs")]
    [InlineData("krea2_lora_kohya_format", "kohya")]
    [InlineData("qwen_image_lora_diffusers_format", "comfy")]
    public void Each_is_of_one_layout_or_named(string list, string expected) => Assert.Contains(expected, Detected(list));

    /// <summary>LyCORIS' families, whatever stands before them.</summary>
    [Theory]
    [InlineData("anima_lora_lokr_format", "comfy")]
    [InlineData("flux_lokr_bfl_format", "comfy")]
    [InlineData("qwen_image_lora_kohya_format", "kohya")]
    public void Kronecker_products_are_of_the_layout_of_their_names(string list, string expected) => Assert.Equal(expected, Detected(list));

    /// <summary>Claimed whole by the layouts that were added last; alpha is 0 here, which is another matter.</summary>
    [Theory]
    [InlineData("flux_control_lora_format", 314, 152)]
    [InlineData("flux_lora_aitoolkit_format", 228, 0)]
    [InlineData("flux_lora_xlabs_format", 12, 0)]
    [InlineData("flux_lokr_bfl_format", 6, 0)]
    public void Lists_of_denoisers_names_are_claimed_whole(string list, int modules, int replaced)
    {
        AdapterSource source = Source(list);
        Adapter adapter = AdapterLayouts.Detect(source, AdapterLayouts.All).Read(source);
        Assert.Equal(modules, adapter.Deltas.Select(delta => delta.Target.Module).Distinct().Count());
        Assert.Equal(replaced, adapter.Replacements.Count);
    }

    /// <summary>Every value is 0, every alpha the rank: enough to claim each tensor of the lists that are read.</summary>
    [Theory]
    [InlineData("flux_lora_diffusers_format", 494)]
    [InlineData("flux_lora_diffusers_no_proj_mlp_format", 342)]
    public void Diffusers_lists_are_claimed_whole(string list, int modules)
    {
        AdapterSource source = Source(list);
        Adapter adapter = AdapterLayouts.Detect(source, AdapterLayouts.All).Read(source);
        Assert.Equal(modules, adapter.Deltas.Count);
        Assert.All(adapter.Deltas, delta => Assert.StartsWith("transformer.", delta.Target.Module.Path, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("Alien Style.safetensors")]
    [InlineData("shinkai_makoto_offset.safetensors")]
    [InlineData("EasyNegative.safetensors")]
    [InlineData("stripped_models/peft_adapter_model.safetensors")]
    public void Json_under_the_wrong_name_is_bad_input(string name)
    {
        string path = Path.Combine(Folder(), "tests", "test_model_probe", name);
        InvalidFileException error = Assert.Throws<InvalidFileException>(() => TensorFiles.Open(path));
        Assert.Contains("this is JSON text", error.Message);
        Assert.Throws<InvalidFileException>(() => AdapterLayouts.Open(path));
    }

    private static string Detected(string list)
    {
        AdapterSource source = Source(list);
        string[] found = [.. Enumerable.Range(0, 2).Select(turn =>
        {
            try
            {
                return AdapterLayouts.Detect(source, [.. turn == 0 ? AdapterLayouts.All : AdapterLayouts.All.Reverse()]).Name;
            }
            catch (UnsupportedException unread)
            {
                return unread.Message[..unread.Message.IndexOf("(read:", StringComparison.Ordinal)];
            }
        })];
        Assert.Equal(found[0], found[1]);
        return found[0];
    }

    private static AdapterSource Source(string list)
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder(), "lora_state_dicts", list + ".json")));
        MemorySource.Entry[] entries = [.. json.RootElement.GetProperty("keys").EnumerateObject().Select(key =>
            new MemorySource.Entry(key.Name, DType.F32, new TensorShape([.. key.Value.EnumerateArray().Select(size => size.GetInt64())])))];
        return new AdapterSource("list", new MemorySource(entries), null, null);
    }

    private static string Folder()
    {
        Assert.SkipWhen(Paths.RealData is null, "no files of other programs on this machine");
        return Path.Combine(Paths.RealData!, "keylists", "invoke-ai__InvokeAI");
    }
}
