using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Tests.Layouts;

public sealed class ComfyTests
{
    private const string Module = "diffusion_model.double_blocks.0.img_attn.proj";

    /// <summary>Prefixes and endings are told apart from each other's layouts, whatever is asked first.</summary>
    [Theory]
    [InlineData("diffusion_model.blocks.0.self_attn.q", ".lora_A.weight", ".lora_B.weight")]
    [InlineData("diffusion_model.blocks.0.self_attn.q", ".lora_down.weight", ".lora_up.weight")]
    [InlineData("text_encoders.clip_l.transformer.text_model.encoder.layers.0.self_attn.q_proj", ".lora_A.weight", ".lora_B.weight")]
    [InlineData("model.diffusion_model.layers.0.attention.qkv", ".lora_A.default.weight", ".lora_B.default.weight")]
    [InlineData("transformer_blocks.0.attn.to_k", ".lora_down.weight", ".lora_up.weight")]
    [InlineData("blocks.0.attn.qkv_x", ".lora_A", ".lora_B")]
    [InlineData("blocks.0.self_attn.q", ".lora_A.default.weight", ".lora_B.default.weight")]
    public void Names_with_dots_and_either_endings_are_read(string module, string down, string up)
    {
        FactorSample sample = new FactorSample().Tensor(module + down, DType.BF16, 5, 53).Tensor(module + up, DType.BF16, 37, 5).Values(module + ".alpha", DType.F32, [], 2.5);
        using Adapter adapter = sample.Read();
        Assert.Equal("comfy", adapter.Layout);
        Assert.Empty(adapter.Issues);
        Assert.Equal(sample.Product(module + up, module + down, turned: false, 0.5), FactorSample.Update(adapter, module));
        using SavedAdapter saved = new(adapter);
        SavedAdapter.AssertSame(adapter, saved.Adapter);
        Assert.Equal([module + ".alpha", module + ".lora_A.weight", module + ".lora_B.weight"], saved.Tensors().Select(tensor => tensor.Name));
    }

    [Fact]
    public void Alpha_is_written_where_it_says_something()
    {
        using Adapter plain = Pair(Module).Read();
        using SavedAdapter saved = new(plain);
        Assert.Equal([Module + ".lora_A.weight", Module + ".lora_B.weight"], saved.Tensors().Select(tensor => tensor.Name));
        Assert.Equal(1, ((LowRankDelta)saved.Adapter.Deltas[0]).Scale);
        // What the file states stays, though it says the same.
        using Adapter stated = Pair(Module).Values(Module + ".alpha", DType.F16, [1], 5).Read();
        using SavedAdapter kept = new(stated);
        Assert.Contains((Module + ".alpha", DType.F16), kept.Tensors().Select(tensor => (tensor.Name, tensor.DType)));
    }

    /// <summary>ComfyUI looks for a core beside kohya's endings alone.</summary>
    [Fact]
    public void A_core_keeps_kohya_s_endings()
    {
        using Adapter adapter = new KohyaSample().Tucker("diffusion_model.conv", 3).Read();
        Assert.Equal("comfy", adapter.Layout);
        using SavedAdapter saved = new(adapter);
        Assert.Equal(
            ["diffusion_model.conv.alpha", "diffusion_model.conv.lora_down.weight", "diffusion_model.conv.lora_mid.weight", "diffusion_model.conv.lora_up.weight"],
            saved.Tensors().Select(tensor => tensor.Name));
    }

    [Theory]
    [InlineData("lokr", "lokr_w1", "3,4", "lokr_w2", "5,6")]
    [InlineData("dense", "diff", "37,53", null, null)]
    [InlineData("loha", "hada_w1_a", "7,2", "hada_w1_b", "2,9")]
    public void Kinds_of_lycoris_are_kohya_s(string kind, string first, string firstShape, string? second, string? secondShape)
    {
        FactorSample sample = new FactorSample().Tensor($"{Module}.{first}", DType.F32, Sizes(firstShape));
        if (second is not null) sample.Tensor($"{Module}.{second}", DType.F32, Sizes(secondShape!));
        if (kind == "loha") sample.Tensor(Module + ".hada_w2_a", DType.F32, 7, 2).Tensor(Module + ".hada_w2_b", DType.F32, 2, 9).Values(Module + ".alpha", DType.F32, [], 1);
        using Adapter adapter = sample.Read();
        Assert.Equal("comfy", adapter.Layout);
        Assert.Equal(kind, Assert.Single(adapter.Deltas).Kind);
        // ComfyUI applies alpha / rank once.
        if (kind == "loha") Assert.Equal(0.5, adapter.Deltas[0].Facts.Scale);

        static long[] Sizes(string text) => [.. text.Split(',').Select(long.Parse)];
    }

    [Theory]
    [InlineData(".dora_scale", 37L, 1L)]
    [InlineData(".lora_magnitude_vector.default", 37L)]
    [InlineData(".lora_magnitude_vector.weight", 37L)]
    [InlineData(".magnitude", 37L)]
    public void Magnitudes_have_four_names(string ending, params long[] shape)
    {
        using Adapter adapter = Pair(Module).Tensor(Module + ending, DType.F32, shape).Read();
        MagnitudeDelta dora = Assert.IsType<MagnitudeDelta>(Assert.Single(adapter.Deltas));
        Assert.Equal(37, dora.Magnitude!.Shape[0]);
    }

    /// <summary>BFL's control adapters: names of the model alone, biases beside the factors, norms in full.</summary>
    [Fact]
    public void Control_adapters_have_biases_and_norms()
    {
        const string Bare = "double_blocks.0.img_attn.proj";
        FactorSample sample = Pair(Bare).Tensor(Bare + ".lora_B.bias", DType.F32, 37).Values(Bare + ".alpha", DType.F32, [], 15).Tensor("double_blocks.0.img_attn.norm.key_norm.scale", DType.BF16, 8);
        using Adapter adapter = sample.Read();
        Assert.Equal("comfy", adapter.Layout);
        DenseDelta bias = Assert.IsType<DenseDelta>(adapter.Deltas.Single(delta => delta.Target.Path == Bare + ".bias"));
        Assert.Equal(3, bias.Scale);
        Replacement norm = Assert.Single(adapter.Replacements);
        Assert.Equal("double_blocks.0.img_attn.norm.key_norm.scale", norm.Target.Path);
        Assert.Equal(sample[norm.Target.Path], norm.Values.ToDoubles());
    }

    [Fact]
    public void Two_spellings_of_one_tensor_and_strangers_are_refused()
    {
        Pair(Module).Tensor(Module + ".lora_down.weight", DType.F32, 5, 53).Fails<InvalidAdapterException>("the same tensor");
        Pair(Module).Tensor("diffusion_model.odd", DType.F32, 3).Fails<InvalidAdapterException>("'diffusion_model.odd'");
        new FactorSample().Tensor(Module + ".lora_A.weight", DType.F32, 5, 53).Fails<InvalidAdapterException>("lora_up");
        Pair(Module).Values(Module + ".reshape_weight", DType.F32, [2], 40, 53).Fails<UnsupportedException>("reshape_weight");
    }

    /// <summary>A model in ComfyUI's names is none, and PEFT's adapter of such a model is PEFT's.</summary>
    [Fact]
    public void Neither_models_nor_adapters_with_a_configuration_are_comfy()
    {
        AdapterSource model = new("m", new MemorySource(new MemorySource.Entry("model.diffusion_model.double_blocks.0.img_attn.proj.weight", DType.F32, new TensorShape(2, 2))), null, null);
        Assert.Equal(LayoutMatch.No, AdapterLayouts.Named("comfy").Detect(model));
        FactorSample peft = new() { Config = """{"peft_type": "LORA", "r": 5, "lora_alpha": 5, "target_modules": ["to_k"]}""" };
        using Adapter adapter = peft.Tensor("transformer_blocks.0.attn.to_k.lora_A.weight", DType.F32, 5, 53).Tensor("transformer_blocks.0.attn.to_k.lora_B.weight", DType.F32, 37, 5).Read();
        Assert.Equal("peft", adapter.Layout);
    }

    [Fact]
    public void Names_that_are_not_comfyui_s_cannot_be_written()
    {
        using Adapter adapter = new Adapter("a", "comfy", null) { Deltas = [((LowRankDelta)Pair(Module).Read().Deltas[0]).Renamed(new(new("lora_unet_x"), "weight"))] };
        Assert.Contains("diffusion_model.", Assert.Throws<UnsupportedException>(() => AdapterLayouts.Named("comfy").Write(adapter)).Message);
    }

    private static FactorSample Pair(string module) => new FactorSample().Tensor(module + ".lora_A.weight", DType.F32, 5, 53).Tensor(module + ".lora_B.weight", DType.F32, 37, 5);
}
