using System.Text.Json.Nodes;
using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Merge;
using LoraKit.Ops.Tests.Unmerge;
using LoraKit.Ops.Verify;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge.Pipelines;

/// <summary>Folders of diffusers': shards, other types, verification, and what does not fit.</summary>
public class PipelineFolderTests
{
    private const string Proj = "down_blocks.0.attentions.0.proj_in.weight", Fc = "text_model.encoder.layers.0.mlp.fc1.weight";

    [Fact]
    public void ShardsAreCutForEachModel()
    {
        using TempFolder temp = new();
        Write(temp);
        Merging.Run(Options(temp) with { MaxShardBytes = 4 * 37 * 53, TileBytes = 256 });
        Assert.Equal(
            [
                "model_index.json", "text_encoder/config.json", "text_encoder/model.safetensors", "unet/config.json", "unet/diffusion_pytorch_model-00001-of-00002.safetensors",
                "unet/diffusion_pytorch_model-00002-of-00002.safetensors", "unet/diffusion_pytorch_model.safetensors.index.json",
            ],
            Merging.Bytes(temp["out"]).Keys.Select(name => name.Replace('\\', '/')).Order(StringComparer.Ordinal));
        JsonObject index = (JsonObject)JsonNode.Parse(File.ReadAllBytes(temp["out", "unet", "diffusion_pytorch_model.safetensors.index.json"]))!;
        Assert.Equal([Proj, "other.weight"], index["weight_map"]!.AsObject().Select(entry => entry.Key).Order(StringComparer.Ordinal));
        Assert.All(index["weight_map"]!.AsObject(), entry => Assert.StartsWith("diffusion_pytorch_model-0000", (string)entry.Value!));

        // And the sharded one is a base again.
        MergeOptions again = Options(temp) with { Base = temp["out"], Output = temp["again"] };
        Merging.Run(again);
        Assert.Equal(2, Directory.GetFiles(temp["again", "unet"], "*.safetensors").Length);
        Assert.Equal(File.ReadAllBytes(temp["out", "unet", "diffusion_pytorch_model.safetensors.index.json"]), File.ReadAllBytes(temp["again", "unet", "diffusion_pytorch_model.safetensors.index.json"]));
    }

    [Fact]
    public void AnotherTypeIsInEveryConfiguration()
    {
        using TempFolder temp = new();
        Write(temp);
        Restoring.RoundTrip(temp, Options(temp) with { OutputType = DType.BF16 });
        Assert.Equal("{\"torch_dtype\": \"bfloat16\"}", File.ReadAllText(temp["out", "text_encoder", "config.json"]));
        Assert.Equal("{\"_class_name\": \"UNet2DConditionModel\"}", File.ReadAllText(temp["out", "unet", "config.json"]));
    }

    [Fact]
    public void IsVerified()
    {
        using TempFolder temp = new();
        Write(temp);
        Merging.Run(Options(temp));
        VerifyOptions options = new(temp["out"]) { Base = temp["base"], Adapters = [new(temp["a.safetensors"])] };
        Assert.Empty(Verification.Run(options).Findings);
        IReadOnlyList<VerifyFinding> wrong = Verification.Run(options with { Adapters = [new(temp["a.safetensors"], 0.5)] }).Findings;
        Assert.Equal(["text_encoder." + Fc, "unet." + Proj], wrong.Select(finding => finding.Tensor).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void AModelOfAnotherWidthIsNamedWithEveryShape()
    {
        using TempFolder temp = new();
        Write(temp);
        Random random = new(4);
        SafetensorsBytes.Write(temp["base", "unet", "diffusion_pytorch_model.safetensors"], Merging.Random(Proj, DType.F32, random, 37, 54), Merging.Random("other.weight", DType.F32, random, 2));
        TargetMismatchException error = Assert.Throws<TargetMismatchException>(() => MergePlan.Create(Options(temp)));
        Assert.Contains("lora_unet_down_blocks_0_attentions_0_proj_in.weight needs [37, 53], but unet.down_blocks.0.attentions.0.proj_in.weight is [37, 54]", error.Message);
        Assert.False(Path.Exists(temp["out"]));
    }

    [Fact]
    public void AModelOfAnotherArchitectureIsNamedWithEveryMiss()
    {
        using TempFolder temp = new();
        Write(temp);
        Random random = new(5);
        SafetensorsBytes.Write(temp["flux.safetensors"], Merging.Random("double_blocks.0.img_attn.qkv.weight", DType.F32, random, 18, 6), Merging.Random("single_blocks.0.linear1.weight", DType.F32, random, 30, 6));
        TargetMismatchException error = Assert.Throws<TargetMismatchException>(() => MergePlan.Create(Options(temp) with { Base = temp["flux.safetensors"], Output = temp["out.safetensors"] }));
        Assert.Equal(2, error.Misses.Count);
    }

    /// <summary>A base of one text encoder, and an adapter that updates two with the same names: neither is taken for it.</summary>
    [Fact]
    public void TwoEncodersAreNotOneFile()
    {
        using TempFolder temp = new();
        Random random = new(6);
        SafetensorsBytes.Write(temp["encoder.safetensors"], Merging.Random(Fc, DType.F32, random, 4, 3));
        WriteLora(temp["a.safetensors"], random, ("lora_te1_text_model_encoder_layers_0_mlp_fc1", 4, 3), ("lora_te2_text_model_encoder_layers_0_mlp_fc1", 4, 3));
        MergeOptions options = Merging.Options(temp["encoder.safetensors"], temp["a.safetensors"], temp["out.safetensors"]);
        TargetMismatchException error = Assert.Throws<TargetMismatchException>(() => MergePlan.Create(options));
        Assert.Equal(2, error.Misses.Count);
        Assert.All(error.Misses, miss => Assert.Contains($"could be {Fc}, and so could", miss));
    }

    /// <summary>Wan calls its third normalisation what diffusers calls the second: a bare file has the name, and means another weight.</summary>
    [Fact]
    public void ANameOfBothNamingsIsTheBasesOwn()
    {
        using TempFolder temp = new();
        Random random = new(7);
        SafetensorsBytes.Write(
            temp["wan.safetensors"], Merging.Random("blocks.0.self_attn.q.weight", DType.F32, random, 4, 3), Merging.Random("blocks.0.norm2.weight", DType.F32, random, 4, 3),
            Merging.Random("blocks.0.norm3.weight", DType.F32, random, 4, 3));
        SafetensorsBytes.Write(temp["a.safetensors"], [.. new[] { "attn1.to_q", "norm2" }.SelectMany(m => (TestTensor[])
            [Merging.Random($"transformer.blocks.0.{m}.lora_A.weight", DType.F32, random, 1, 3), Merging.Random($"transformer.blocks.0.{m}.lora_B.weight", DType.F32, random, 4, 1)])]);
        using MergePlan plan = MergePlan.Create(Merging.Options(temp["wan.safetensors"], temp["a.safetensors"], temp["out.safetensors"]));
        Assert.Equal(["blocks.0.norm3.weight", "blocks.0.self_attn.q.weight"], plan.Tensors.Where(t => t.Action == TensorAction.Change).Select(t => t.Name).Order(StringComparer.Ordinal));
    }

    private static MergeOptions Options(TempFolder temp) => Merging.Options(temp["base"], temp["a.safetensors"], temp["out"]);

    /// <summary>A pipeline of two models with one weight each that the adapter updates.</summary>
    private static void Write(TempFolder temp)
    {
        Random random = new(3);
        SafetensorsBytes.Write(temp["base", "unet", "diffusion_pytorch_model.safetensors"], Merging.Random(Proj, DType.F32, random, 37, 53), Merging.Random("other.weight", DType.F32, random, 2));
        SafetensorsBytes.Write(temp["base", "text_encoder", "model.safetensors"], Merging.Random(Fc, DType.F32, random, 5, 3));
        File.WriteAllText(temp["base", "unet", "config.json"], "{\"_class_name\": \"UNet2DConditionModel\"}");
        File.WriteAllText(temp["base", "text_encoder", "config.json"], "{\"torch_dtype\": \"float32\"}");
        File.WriteAllText(temp["base", "model_index.json"], "{\"_class_name\": \"P\", \"unet\": [\"diffusers\", \"U\"], \"text_encoder\": [\"transformers\", \"C\"]}");
        WriteLora(temp["a.safetensors"], random, ("lora_unet_down_blocks_0_attentions_0_proj_in", 37, 53), ("lora_te_text_model_encoder_layers_0_mlp_fc1", 5, 3));
    }

    private static void WriteLora(string path, Random random, params (string Module, int Rows, int Columns)[] modules) => SafetensorsBytes.Write(path, [.. modules.SelectMany(m => (TestTensor[])
        [Merging.Random($"{m.Module}.lora_down.weight", DType.F32, random, 2, m.Columns), Merging.Random($"{m.Module}.lora_up.weight", DType.F32, random, m.Rows, 2), new($"{m.Module}.alpha", DType.F32, [], [3])])]);
}
