using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>From what the user names to an adapter: files found, layout detected, or a message that helps.</summary>
public sealed class AdapterLayoutsTests
{
    private const string Config = """{ "peft_type": "LORA" }""";

    [Fact]
    public void A_folder_its_tensor_file_and_its_configuration_open_the_same_adapter()
    {
        using TempFolder folder = new();
        AdapterFolder.Write(folder.Path, Config);
        foreach (string path in (string[])[folder.Path, folder.Path + "/", folder["adapter_model.safetensors"], folder["adapter_config.json"]])
        {
            using Adapter adapter = AdapterLayouts.Open(path);
            Assert.Equal(("peft", "m.q"), (adapter.Layout, Assert.Single(adapter.Deltas).Target.Module.Path));
        }

        File.Move(folder["adapter_model.safetensors"], folder["renamed.safetensors"]);
        using Adapter renamed = AdapterLayouts.Open(folder["renamed.safetensors"]);
        Assert.Single(renamed.Deltas);
    }

    [Fact]
    public void The_configuration_beside_a_symbolic_link_is_the_one_that_counts()
    {
        using TempFolder folder = new();
        AdapterFolder.Write(folder["blobs"], """{ "peft_type": "LORA", "r": 99 }""");
        Directory.CreateDirectory(folder["snapshot"]);
        File.WriteAllText(folder["snapshot", "adapter_config.json"], Config);
        File.CreateSymbolicLink(folder["snapshot", "adapter_model.safetensors"], folder["blobs", "adapter_model.safetensors"]);
        using Adapter adapter = AdapterLayouts.Open(folder["snapshot"]);
        Assert.Single(adapter.Deltas);
    }

    [Fact]
    public void Half_a_folder_is_an_error_that_says_what_is_missing()
    {
        using TempFolder folder = new();
        AdapterFolder.Write(folder.Path, null);
        Assert.Contains("no adapter_config.json", Assert.Throws<InvalidAdapterException>(() => AdapterLayouts.Open(folder.Path)).Message);

        using TempFolder other = new();
        AdapterFolder.Write(other.Path, Config);
        File.Move(other["adapter_model.safetensors"], other["adapter.safetensors"]);
        string message = Assert.Throws<InvalidAdapterException>(() => AdapterLayouts.Open(other.Path)).Message;
        Assert.Contains("no adapter_model.safetensors", message);
        Assert.Contains("adapter.safetensors, name the file itself", message);
    }

    [Fact]
    public void A_tensor_file_alone_says_that_rank_and_alpha_cannot_be_known()
    {
        using TempFolder folder = new();
        foreach (string prefix in (string[])["base_model.model.", ""])
        {
            AdapterFolder.WriteTensors(folder["a.safetensors"], prefix + "m.q.lora_A.weight", prefix + "m.q.lora_B.weight");
            string message = Assert.Throws<InvalidAdapterException>(() => AdapterLayouts.Open(folder["a.safetensors"])).Message;
            Assert.Contains("rank and alpha cannot be known", message);
            Assert.Contains("adapter_config.json", message);
        }
    }

    [Fact]
    public void An_adapter_in_a_subfolder_is_pointed_at()
    {
        using TempFolder folder = new();
        AdapterFolder.Write(folder["first"], Config);
        AdapterFolder.Write(folder["second"], Config);
        Directory.CreateDirectory(folder["other"]);
        InputNotFoundException error = Assert.Throws<InputNotFoundException>(() => AdapterLayouts.Open(folder.Path));
        Assert.Contains("first, second: name one of them", error.Message);
        Assert.DoesNotContain("other", error.Message);
    }

    [Fact]
    public void Nothing_there_is_said_so()
    {
        using TempFolder folder = new();
        Assert.Throws<InputNotFoundException>(() => AdapterLayouts.Open(folder.Path));
        Assert.Throws<InputNotFoundException>(() => AdapterLayouts.Open(folder["none"]));
    }

    [Fact]
    public void A_pickle_counts_where_there_are_no_safetensors()
    {
        using TempFolder folder = new();
        File.WriteAllText(folder["adapter_config.json"], Config);
        File.WriteAllBytes(folder["adapter_model.bin"], [0x80, 2, .. "cos\nsystem\n."u8]);
        foreach (string path in (string[])[folder.Path, folder["adapter_model.bin"]])
        {
            InvalidFileException error = Assert.Throws<InvalidFileException>(() => AdapterLayouts.Open(path));
            Assert.Contains("adapter_model.bin: refused: os.system", error.Message);
        }

        AdapterFolder.Write(folder.Path, Config); // beside a safetensors file, the pickle does not matter
        AdapterLayouts.Open(folder.Path).Dispose();
    }

    [Theory]
    [InlineData("lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight", "kohya")]
    [InlineData("lora_te_text_model_encoder_layers_0_mlp_fc1.lokr_w1", "no lokr_w2_a")]
    [InlineData("unet.down_blocks.0.attn1.to_k.lora.down.weight", "without its B")]
    [InlineData("transformer.blocks.0.attn.to_k.lora_A.weight", "without its B")]
    [InlineData("transformer.h.0.attn.c_attn.lora_A.weight", "rank and alpha")]
    [InlineData("diffusion_model.blocks.0.cross_attn.k_proj.lora_A.weight", "lora_down")]
    [InlineData("double_blocks.0.processor.qkv_lora1.down.weight", "without its B")]
    [InlineData("model.layers.0.self_attn.q_proj.lora_a", "MLX")]
    [InlineData("unet:0:down", "without its B")]
    [InlineData("model.layers.0.self_attn.q_proj.weight", "no adapter")]
    public void Keys_of_another_layout_are_named(string key, string whose)
    {
        using TempFolder folder = new();
        AdapterFolder.WriteTensors(folder["x.safetensors"], key);
        LoraKitException error = Assert.ThrowsAny<LoraKitException>(() => AdapterLayouts.Open(folder["x.safetensors"]));
        Assert.Contains(whose, error.Message);

        // Nor does a configuration that is not theirs make them PEFT's.
        File.WriteAllText(folder["adapter_config.json"], Config);
        Assert.ThrowsAny<LoraKitException>(() => AdapterLayouts.Open(folder["x.safetensors"]));
    }

    [Fact]
    public void Two_certain_layouts_are_an_error_that_names_both_in_any_order()
    {
        AdapterSource source = new PeftSample().Lora("q").Source();
        Fixed first = new("first", LayoutMatch.Certain);
        Fixed second = new("second", LayoutMatch.Certain);
        Fixed maybe = new("maybe", LayoutMatch.Possible);
        Fixed perhaps = new("perhaps", LayoutMatch.Possible);
        Fixed not = new("not", LayoutMatch.No);

        foreach (IAdapterLayout[] list in (IAdapterLayout[][])[[first, maybe, second], [second, not, first]])
        {
            Assert.Contains("first, second", Assert.Throws<InvalidAdapterException>(() => AdapterLayouts.Detect(source, list)).Message);
        }

        Assert.Same(first, AdapterLayouts.Detect(source, [maybe, perhaps, first, not]));
        Assert.Same(maybe, AdapterLayouts.Detect(source, [not, maybe]));
        Assert.Contains("maybe, perhaps", Assert.Throws<InvalidAdapterException>(() => AdapterLayouts.Detect(source, [perhaps, maybe])).Message);
        Assert.Throws<UnsupportedException>(() => AdapterLayouts.Detect(source, [not]));
    }

    [Fact]
    public void A_failed_read_closes_the_file()
    {
        using TempFolder folder = new();
        AdapterFolder.Write(folder.Path, """{ "peft_type": "LORA", "r": 3 }""");
        Assert.Throws<InvalidAdapterException>(() => AdapterLayouts.Open(folder.Path));
        using FileStream exclusive = new(folder["adapter_model.safetensors"], FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        Assert.True(exclusive.CanWrite);
    }

    private sealed class Fixed(string name, LayoutMatch match) : IAdapterLayout
    {
        public string Name => name;

        public LayoutMatch Detect(AdapterSource source) => match;

        public Adapter Read(AdapterSource source) => throw new InvalidOperationException();

        public IReadOnlyList<string> Limits(Adapter adapter) => throw new InvalidOperationException();

        public AdapterFiles Write(Adapter adapter) => throw new InvalidOperationException();
    }
}
