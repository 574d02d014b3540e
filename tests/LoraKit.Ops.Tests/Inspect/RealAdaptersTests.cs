using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Ops.Inspect;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Inspect;

/// <summary>Adapters that other programs wrote: each reads with every tensor claimed, and is described as it is.</summary>
public sealed class RealAdaptersTests
{
    private const string Onnx = "onnx-lora/microsoft__onnxruntime-genai/test/test_models/";

    [Theory]
    [InlineData("peft/johntnanney__gradience/examples/adapters/tiny_lora", "peft safetensors F32", "lora:24/2", "8", "stray_setting:1")]
    [InlineData("peft/hyper07__Skin-Lesion-Generation-Diffusion/lora_weights", "peft safetensors F32", "lora:256/2", "4", "base_model_missing:1 zero_factor:32 zero_factors:1")]
    [InlineData("peft/huggingface__peft/tests/regression/lora_conv2d/0.6.1", "peft pickle F32", "lora:2/2", "8", "base_model_missing:1")]
    [InlineData("peft/huggingface__peft/tests/regression/lora_emb_conv1d/0.6.1", "peft pickle F32", "lora:4/2", "8", "base_model_missing:1")]
    [InlineData("peft/huggingface__peft/tests/regression/lora_mlp/0.6.1", "peft pickle F32", "lora:2/2", "8", "base_model_missing:1")]
    [InlineData("peft/huggingface__peft/tests/regression/lora_mlp_modules_to_save/0.6.1", "peft pickle F32", "lora:2/2", "8", "base_model_missing:1")]
    [InlineData("peft/huggingface__peft/tests/regression/lora_opt-125m_bnb_4bit/0.5.0", "peft pickle F32", "lora:48/2", "8", "")]
    [InlineData("peft/huggingface__peft/examples/monteclora_finetuning/monteclora-roberta-mrpc/checkpoint-230", "peft safetensors F32", "lora:48/2", "8", "")]
    [InlineData("peft/huggingface__peft/examples/conditional_generation/bigscience/mt0-large_IA3_SEQ_2_SEQ_LM", "peft pickle F32", "ia3:192/1", "", "")]
    [InlineData("peft/huggingface__peft/tests/regression/ia3_conv2d/0.6.1", "peft pickle F32", "ia3:1/1", "", "base_model_missing:1")]
    [InlineData("peft/huggingface__peft/tests/regression/ia3_mlp/0.6.1", "peft pickle F32", "ia3:1/1", "", "base_model_missing:1")]
    [InlineData("peft/huggingface__peft/tests/regression/ia3_no_ff_mlp/0.6.1", "peft pickle F32", "ia3:1/1", "", "base_model_missing:1")]
    [InlineData("diffusion/KohakuBlueleaf__LyCORIS/result/smart_falcon_4_lokr.safetensors", "kohya safetensors F16", "lokr:1750/5", "4", "")]
    [InlineData("diffusion/KohakuBlueleaf__LyCORIS/result/smart_falcon_8_lokr.safetensors", "kohya safetensors F16", "lokr:1750/5", "8", "")]
    [InlineData("peft/wujindou__BLOOM-LORA", "peft pickle F32", "lora:48/2", "8", "")]
    [InlineData("peft/huggingface__peft/tests/regression/adalora_mlp/0.6.1", "peft pickle F32", "adalora:3/3", "12", "base_model_missing:1")]
    [InlineData("diffusion/catundchat__stable-diffusion-v1.5-lora", "diffusers-old pickle F32", "lora:256/2", "4", "")]
    [InlineData("diffusion/huggingface__diffusers/examples/text_to_image/sd-pokemon-model-lora", "diffusers-old safetensors F32", "lora:256/2", "4", "")]
    [InlineData("diffusion/cloneofsimo__lora/example_loras/analog_svd_rank4.safetensors", "cloneofsimo safetensors F16", "lora:384/2", "4", "unplaced_modules:2")]
    [InlineData("diffusion/cloneofsimo__lora/example_loras/lora_disney_inpainting.safetensors", "cloneofsimo safetensors mixed", "lora:384/2", "1", "unplaced_modules:2")]
    [InlineData("mlx/wyek1n__MLX-CLI/adapters", "mlx safetensors F32", "lora:16/2", "8", "")]
    [InlineData("mlx/wyek1n__MLX-CLI/adapters/0000200_adapters.safetensors", "mlx safetensors F32", "lora:16/2", "8", "")]
    [InlineData("mlx/ollama__ollama/convert/testdata/adapters/discollama", "mlx safetensors F32", "lora:8/2", "8", "")]
    [InlineData("mlx/ml-explore__mlx-examples/llms/adapters/0000100_adapters.safetensors", "mlx safetensors F32", "lora:16/2", "8", "legacy_alpha:1")]
    [InlineData(Onnx + "hf-internal-testing/tiny-random-llama-lora-fp16-dml/adapter_weights.npz", "onnx npz F16", "lora:28/2", "8", "")]
    [InlineData(Onnx + "hf-internal-testing/tiny-random-llama-lora/adapter_weights.npz", "onnx npz F32", "lora:28/2", "8", "")]
    [InlineData(Onnx + "tiny-random-llama-lora/adapter_weights.npz", "onnx npz F32", "lora:28/2", "8", "")]
    [InlineData(Onnx + "two_lora_params.npz", "onnx npz F32", "lora:2/2", "64", "")]
    [InlineData(Onnx + "hf-internal-testing/tiny-random-llama-lora/adapter_weights.fb", "onnx onnx_adapter F32", "lora:28/2", "8", "")]
    [InlineData(Onnx + "tiny-random-llama-lora/adapter_weights.fb", "onnx onnx_adapter F32", "lora:28/2", "8", "")]
    [InlineData(Onnx + "hf-internal-testing/tiny-random-gpt2-fp32-lora/two_lora_params.fb", "onnx onnx_adapter F32", "lora:2/2", "64", "")]
    public void It_reads_whole_and_is_described(string path, string file, string kinds, string ranks, string issues)
    {
        AdapterInspection found = AdapterInspection.Open(Real(path), new());
        Assert.Equal(file, $"{found.Layout} {found.Container} {found.DType}");
        // As INVENTORY counts them: tensors of the file, so many to a module. (IA3 scales a module's bias with its weight.)
        string[] counts = kinds.Split(':', '/');
        Assert.Equal(int.Parse(counts[1]) / int.Parse(counts[2]), found.Modules.Count(module => !module.Name.EndsWith(".bias", StringComparison.Ordinal)));
        Assert.All(found.Modules, module => Assert.Equal(counts[0], module.Kind));
        Assert.Equal(ranks, string.Join(" ", found.Ranks.Keys));
        Assert.Equal(issues, string.Join(" ", found.Issues.GroupBy(issue => issue.Code).OrderBy(code => code.Key, StringComparer.Ordinal).Select(code => $"{code.Key}:{code.Count()}")));
    }

    /// <summary>The scale by which each file's own program multiplies: alpha / rank, MLX's scale alone, and with alpha before June 2024; 1 elsewhere.</summary>
    [Theory]
    [InlineData("peft/johntnanney__gradience/examples/adapters/tiny_lora", 2)]
    [InlineData("peft/hyper07__Skin-Lesion-Generation-Diffusion/lora_weights", 4)]
    [InlineData("mlx/wyek1n__MLX-CLI/adapters", 10)]
    [InlineData("mlx/ollama__ollama/convert/testdata/adapters/discollama", 2)]
    [InlineData("mlx/ml-explore__mlx-examples/llms/adapters/0000100_adapters.safetensors", 20)]
    [InlineData("diffusion/catundchat__stable-diffusion-v1.5-lora", 1)]
    [InlineData(Onnx + "two_lora_params.npz", 1)]
    public void The_scale_is_that_of_its_program(string path, double scale) =>
        Assert.All(AdapterInspection.Open(Real(path), new()).Modules, module => Assert.Equal(scale, module.Scale));

    [Theory]
    [InlineData("diffusion/catundchat__stable-diffusion-v1.5-lora", "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0", 320, 320)]
    [InlineData("diffusion/huggingface__diffusers/examples/text_to_image/sd-pokemon-model-lora", "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k", 320, 768)]
    [InlineData("mlx/ollama__ollama/convert/testdata/adapters/discollama", "model.layers.30.self_attn.v_proj", 1024, 4096)]
    [InlineData(Onnx + "two_lora_params.npz", "model.layers.0.attn.qkv_proj", 9216, 3072)]
    [InlineData("diffusion/cloneofsimo__lora/example_loras/lora_disney_inpainting.safetensors", "text_encoder:10", 768, 768)]
    public void A_module_has_its_name_and_shape(string path, string module, long rows, long columns)
    {
        InspectedModule found = Assert.Single(AdapterInspection.Open(Real(path), new()).Modules, candidate => candidate.Name == module);
        Assert.Equal((rows, columns), (found.OutFeatures, found.InFeatures));
    }

    [Fact]
    public void Vectors_of_tokens_are_extras()
    {
        AdapterInspection found = AdapterInspection.Open(Real("diffusion/cloneofsimo__lora/example_loras/lora_disney_inpainting.safetensors"), new());
        Assert.Equal(["<s1> token_embedding F32", "<s2> token_embedding F32"], found.Extras.Select(extra => $"{extra.Name} {extra.Kind} {extra.DType}").Order());
    }

    /// <summary>The same adapter in two containers, by two writers.</summary>
    [Theory]
    [InlineData("hf-internal-testing/tiny-random-llama-lora/adapter_weights", 14)]
    [InlineData("tiny-random-llama-lora/adapter_weights", 14)]
    public void Flatbuffer_and_npz_hold_the_same_shapes(string name, int modules)
    {
        using Adapter one = AdapterLayouts.Open(Real(Onnx + name + ".fb"));
        using Adapter other = AdapterLayouts.Open(Real(Onnx + name + ".npz"));
        Assert.Equal(modules, one.Deltas.Count);
        foreach (LowRankDelta delta in one.Deltas.Cast<LowRankDelta>())
        {
            LowRankDelta same = (LowRankDelta)other.Deltas.Single(candidate => candidate.Target == delta.Target);
            Assert.Equal((delta.Down.Shape, delta.Up.Shape), (same.Down.Shape, same.Up.Shape));
            Assert.All(delta.Down.ToDoubles(), value => Assert.InRange(Math.Abs(value), 0, 10));
        }
    }

    [Fact]
    public void A_flatbuffer_of_one_tensor_that_is_no_factor_is_shown_by_it()
    {
        AdapterInspection found = AdapterInspection.Open(Real(Onnx + "test_lora_param.fb"), new());
        Assert.Equal("test_lora_param F32 [2, 5]", $"{Assert.Single(found.Extras).Name} {found.Extras[0].DType} {found.Extras[0].Shape}");
    }

    /// <summary>Both of kohya's hashes in these files are right, and stay silent; one changed bit of data, and both speak.</summary>
    [Theory]
    [InlineData("diffusion/KohakuBlueleaf__LyCORIS/result/smart_falcon_4_lokr.safetensors", "sshs_model_hash")]
    [InlineData("diffusion/KohakuBlueleaf__LyCORIS/result/smart_falcon_8_lokr.safetensors", "sshs_model_hash sshs_legacy_hash")]
    public void Wrong_hashes_are_issues(string path, string wrong)
    {
        string real = Real(path);
        Assert.DoesNotContain(AdapterInspection.Open(real, new()).Issues, issue => issue.Code == "wrong_hash");
        using TempFolder folder = new();
        byte[] bytes = File.ReadAllBytes(real);
        bytes[^1] ^= 1;
        File.WriteAllBytes(folder["changed.safetensors"], bytes);
        IEnumerable<AdapterIssue> issues = AdapterInspection.Open(folder["changed.safetensors"], new()).Issues.Where(issue => issue.Code == "wrong_hash");
        Assert.Equal(wrong, string.Join(" ", issues.Select(issue => issue.Where)));
    }

    private static string Real(string path)
    {
        Assert.SkipWhen(Paths.RealData is null, "no files of other programs on this machine");
        return Path.Combine(Paths.RealData!, path);
    }
}
