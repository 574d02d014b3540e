using System.Text.Json.Nodes;
using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Inspect;
using LoraKit.Ops.Inspect.Consumers;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Inspect;

/// <summary>Each program takes what it takes, and each finding names what it does otherwise.</summary>
public sealed class ConsumerTests
{
    private const string Plain = """{"peft_type": "LORA", "r": 4, "lora_alpha": 8}""";

    [Theory]
    [InlineData("comfyui", "comfy")]
    [InlineData("comfyui", "kohya")]
    [InlineData("diffusers", "diffusers")]
    [InlineData("diffusers", "kohya")]
    [InlineData("llama.cpp", "peft")]
    [InlineData("llama.cpp", "gguf")]
    [InlineData("ollama", "peft")]
    [InlineData("peft", "peft")]
    [InlineData("vllm", "peft")]
    [InlineData("onnx", "peft")]
    public void Plain_lora_in_a_layout_of_its_own_is_taken(string program, string layout) => Assert.Empty(Check(program, layout, Lora("m", alpha: 8) with { HasAlpha = layout is "diffusers" }));

    [Theory]
    [InlineData("comfyui", "mlx", "ignored", "no key")]
    [InlineData("diffusers", "mlx", "refused", "not mlx")]
    [InlineData("llama.cpp", "kohya", "refused", "adapter_config.json")]
    [InlineData("ollama", "kohya", "refused", "adapter_config.json")]
    [InlineData("peft", "kohya", "refused", "convert it --to peft")]
    [InlineData("vllm", "mlx", "refused", "adapter_config.json")]
    [InlineData("ollama", "mlx", "different", "multiplies by 1")]
    public void Another_layout_is_one_finding(string program, string layout, string code, string message) => Finds(program, layout, code, message, Lora("m", alpha: 8));

    [Theory]
    [InlineData("vllm", 12, "rank_pattern and alpha_pattern")]
    [InlineData("llama.cpp", 12, "neither use_rslora nor alpha_pattern")]
    [InlineData("ollama", 12, "neither use_rslora nor alpha_pattern")]
    public void A_scale_that_only_a_pattern_states_is_another_there(string program, double alpha, string message) => Finds(program, "peft", "different", message, Lora("m", alpha));

    /// <summary>llama.cpp divides one alpha by each module's rank, vLLM by one rank.</summary>
    [Fact]
    public void Ranks_of_their_own_are_fine_where_alpha_is_divided_by_them()
    {
        Assert.Empty(Check("llama.cpp", "peft", Lora("m", 8, rank: 2)));
        Finds("vllm", "peft", "different", "multiplies all by 2", Lora("m", 8, rank: 2));
    }

    [Theory]
    [InlineData(16, null)]
    [InlineData(17, "--max-lora-rank 32")]
    [InlineData(64, "--max-lora-rank 64")]
    [InlineData(513, "resize-rank")]
    public void Ranks_have_a_limit_in_vllm(int rank, string? message)
    {
        string config = $$"""{"r": {{rank}}, "lora_alpha": {{rank}}}""";
        AdapterIssue[] found = [.. Check("vllm", "peft", Lora("m", rank, rank), config: config)];
        if (message is null) Assert.Empty(found);
        else Assert.Contains(message, Assert.Single(found).Message);
    }

    [Theory]
    [InlineData("vllm", "refused", "no DoRA")]
    [InlineData("llama.cpp", "refused", "no DoRA")]
    [InlineData("ollama", "refused", "no DoRA")]
    public void Dora_of_peft_is_refused(string program, string code, string message) => Finds(program, "peft", code, message, Lora("m", 8) with { Magnitude = [7, 1] });

    [Theory]
    [InlineData("diffusers", "kohya", "ignored", "dora_scale", 7, 1)]
    [InlineData("comfyui", "kohya", "different", "--dora-norm base", 7, 1)]
    public void Dora_of_images_is_another(string program, string layout, string code, string message, long first, long second) =>
        Finds(program, layout, code, message, Lora("m", 8) with { Magnitude = [first, second] });

    [Fact]
    public void Dora_by_input_is_comfyui_s_own_and_of_one_dimension_is_not()
    {
        Assert.Empty(Check("comfyui", "kohya", Lora("m", 8) with { Magnitude = [1, 5] }));
        Finds("comfyui", "comfy", "different", "along the inputs", Lora("m", 8) with { Magnitude = [7] });
    }

    [Fact]
    public void Scales_that_only_a_header_states_are_another_to_comfyui() => Finds("comfyui", "diffusers", "different", "lora_adapter_metadata", Lora("unet.m", 8));

    [Fact]
    public void What_diffusers_drops_by_name()
    {
        Finds("diffusers", "kohya", "ignored", "T5", Lora("lora_te3_encoder_block_0_layer_0_SelfAttention_q", 4));
        Finds("diffusers", "kohya", "ignored", "T5", Lora("lora_te2_text_projection", 4));
        Finds("diffusers", "kohya", "ignored", "SGM", Lora("lora_unet_input_blocks_4_1_proj_in", 4), Lora("lora_unet_down_blocks_1_attentions_0_proj_out", 4));
        Assert.Empty(Check("diffusers", "kohya", Lora("lora_unet_input_blocks_4_1_proj_in", 4), Lora("lora_unet_output_blocks_4_1_proj_in", 4)));
        Finds("diffusers", "comfy", "different", "drops alpha", Lora("diffusion_model.transformer_blocks.0.img_mlp.net.2", 8));
        Assert.Empty(Check("diffusers", "comfy", Lora("diffusion_model.transformer_blocks.0.img_mlp.net.2", 4)));
    }

    [Fact]
    public void Ollama_reorders_the_wrong_factor_and_takes_whole_alphas()
    {
        Finds("ollama", "peft", "different", "reorders A", Lora("model.layers.0.self_attn.q_proj", 8));
        string config = """{"r": 4, "lora_alpha": 2.5}""";
        Assert.Contains("whole number", Assert.Single(Check("ollama", "peft", Lora("m", 2.5), config: config)).Message);
    }

    [Fact]
    public void Weights_in_full_are_named()
    {
        Replacement head = new(new(new("lm_head"), "weight"), Values(3), null, "modules_to_save"), norm = new(new(new("model.norm"), "weight"), Values(3), null, "modules_to_save");
        AdapterIssue[] found = [.. new LlamaCpp().Check(Adapter("peft", [Lora("m", 8)], Plain, head, norm))];
        Assert.Equal([("ignored", "model.norm.weight"), ("refused", "lm_head.weight")], found.Select(issue => (issue.Code, issue.Where!)).Order());
        Assert.Equal(["refused", "refused"], new Vllm().Check(Adapter("peft", [Lora("m", 8)], Plain, head, norm)).Select(issue => issue.Code));
    }

    [Fact]
    public void A_layout_s_kinds_are_looked_at()
    {
        Adapter loha = new("a", "kohya", null) { Deltas = [new LohaDelta(new(new("m"), "weight"), (Values(7, 2), Values(2, 5)), (Values(7, 2), Values(2, 5)), 1, 2)] };
        Assert.Empty(ConsumerList.Named("kohya").Check(loha));
        AdapterIssue found = Assert.Single(ConsumerList.Named("onnx").Check(loha));
        Assert.Contains("no loha; convert makes it plain LoRA", found.Message);
        Assert.Equal("ignored", Assert.Single(new ComfyUi().Check(Adapter("kohya", [Lora("m", 4)], null, new Replacement(new(new("m"), "weight"), Values(3), null, "other")))).Code);
    }

    [Fact]
    public void An_unknown_name_lists_those_there_are()
    {
        string message = Assert.Throws<InvalidOptionException>(() => ConsumerList.Named("vlm")).Message;
        Assert.Contains("comfyui, diffusers, llama.cpp, ollama, peft, vllm", message);
        Assert.Contains("kohya", message);
        using TempFolder folder = new();
        SafetensorsBytes.Write(folder["m.safetensors"], new TestTensor("w", DType.F32, [1], [1]));
        Assert.Contains("--check", Assert.Throws<InvalidOptionException>(() => AdapterInspection.Open(folder["m.safetensors"], new() { Check = "vllm" })).Message);
    }

    /// <summary>q, k and v of rank 2 each, in one of rank 6 with the alpha of one.</summary>
    [Fact]
    public void Split_qkv_is_an_issue()
    {
        using TempFolder folder = new();
        double[] up = [.. from row in Enumerable.Range(0, 9) from k in Enumerable.Range(0, 6) select row / 3 == k / 2 ? 1.0 + row : 0];
        SafetensorsBytes.Write(folder["f.safetensors"],
            new("lora_unet_double_blocks_0_img_attn_proj.lora_down.weight", DType.F32, [2, 3], [1, 2, 3, 4, 5, 6]), new("lora_unet_double_blocks_0_img_attn_proj.lora_up.weight", DType.F32, [3, 2], [1, 2, 3, 4, 5, 6]),
            new("lora_unet_double_blocks_0_img_attn_proj.alpha", DType.F32, [], [2]),
            new("lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight", DType.F32, [6, 3], [.. Enumerable.Range(1, 18).Select(i => (double)i)]),
            new("lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight", DType.F32, [9, 6], up), new("lora_unet_double_blocks_0_img_attn_qkv.alpha", DType.F32, [], [2]));
        AdapterIssue issue = Assert.Single(AdapterInspection.Open(folder["f.safetensors"], new()).Issues, issue => issue.Code == "split_qkv_alpha");
        Assert.Equal("lora_unet_double_blocks_0_img_attn_qkv", issue.Where);
        Assert.Contains("1/3", issue.Message);
    }

    private static void Finds(string program, string layout, string code, string message, params Module[] modules)
    {
        AdapterIssue found = Assert.Single(Check(program, layout, modules));
        Assert.Equal(code, found.Code);
        Assert.Contains(message, found.Message);
    }

    private static IEnumerable<AdapterIssue> Check(string program, string layout, params Module[] modules) => ConsumerList.Named(program).Check(Adapter(layout, modules, layout == "peft" ? Plain : null));

    private static IEnumerable<AdapterIssue> Check(string program, string layout, Module module, string config) => ConsumerList.Named(program).Check(Adapter(layout, [module], config));

    private static Adapter Adapter(string layout, Module[] modules, string? config, params Replacement[] replacements) => new("a", layout, null)
    {
        Deltas = [.. modules.Select(module => module.Delta())],
        Replacements = replacements,
        Config = config is null ? null : new AdapterConfig(JsonNode.Parse(config)!.AsObject()),
    };

    private static Module Lora(string name, double alpha, int rank = 4) => new(name, alpha, rank);

    private static MemoryTensor Values(params long[] shape) => new("x.lora_A.weight", new TensorShape(shape), new float[new TensorShape(shape).ElementCount]);

    /// <summary>A module of 5 → 7.</summary>
    private sealed record Module(string Name, double Alpha, int Rank)
    {
        public long[]? Magnitude { get; init; }

        public bool HasAlpha { get; init; }

        public AdapterDelta Delta()
        {
            LowRankDelta lora = new(new(new(Name), "weight"), Values(Rank, 5), Values(7, Rank), Alpha / Rank, Alpha) { AlphaTensor = HasAlpha ? Values() : null };
            return Magnitude is null ? lora : new MagnitudeDelta(lora, Values(Magnitude), MagnitudeAxis.FromShape);
        }
    }
}
