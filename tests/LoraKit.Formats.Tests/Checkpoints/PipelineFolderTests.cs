using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Checkpoints;

/// <summary>Which files of a diffusers folder are the models of its pipeline, and how their tensors are called.</summary>
public class PipelineFolderTests
{
    private const string Usual = "diffusion_pytorch_model.safetensors";

    [Fact]
    public void EveryModelIsThereUnderItsFoldersName()
    {
        using TempFolder temp = new();
        Index(temp, "unet", "text_encoder", "vae", "scheduler", "tokenizer");
        Write(temp, "unet", Usual);
        Write(temp, "text_encoder", "model.safetensors");
        Write(temp, "vae", Usual);
        Write(temp, "controlnet", Usual); // Not in the index.
        Directory.CreateDirectory(temp["scheduler"]);
        File.WriteAllText(temp["scheduler", "scheduler_config.json"], "{}");
        SafetensorsBytes.Write(temp["v1-5-pruned.safetensors"], new TestTensor("model.x", DType.F32, [1], [1]));
        using Checkpoint pipeline = Checkpoint.Open(temp.Path);
        Assert.Equal(["text_encoder.w", "unet.w", "vae.w"], pipeline.Tensors.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(["text_encoder/model.safetensors", $"unet/{Usual}", $"vae/{Usual}"], pipeline.Shards.Select(s => s.RelativePath));
        Assert.Equal(["model_index.json", "scheduler/scheduler_config.json"], pipeline.OtherFiles);
        Assert.Equal([$"controlnet/{Usual}", "v1-5-pruned.safetensors"], pipeline.LeftOutFiles);
        Assert.Equal(5, pipeline.Tensors["unet.w"].ToDoubles()[0]);
        Assert.Null(pipeline.Config);
        Assert.Null(pipeline.IndexFile);
    }

    [Fact]
    public void ThePlainFileIsTakenBeforeItsVariants()
    {
        using TempFolder temp = new();
        Index(temp, "unet");
        Write(temp, "unet", Usual);
        Write(temp, "unet", "diffusion_pytorch_model.fp16.safetensors");
        Write(temp, "unet", "diffusion_pytorch_model.non_ema.safetensors");
        using Checkpoint pipeline = Checkpoint.Open(temp.Path);
        Assert.Equal($"unet/{Usual}", Assert.Single(pipeline.Shards).RelativePath);
        Assert.Equal(2, pipeline.LeftOutFiles.Count);
    }

    [Fact]
    public void AVariantAloneIsTheModelAndSeveralAreAmbiguous()
    {
        using TempFolder temp = new();
        Index(temp, "unet");
        Write(temp, "unet", "diffusion_pytorch_model.fp16.safetensors");
        using (Checkpoint pipeline = Checkpoint.Open(temp.Path)) Assert.Equal("unet/diffusion_pytorch_model.fp16.safetensors", Assert.Single(pipeline.Shards).RelativePath);
        Write(temp, "unet", "diffusion_pytorch_model.non_ema.safetensors");
        InvalidFileException error = Assert.Throws<InvalidFileException>(() => Checkpoint.Open(temp.Path));
        Assert.Contains("could be more than one model (diffusion_pytorch_model.fp16.safetensors, diffusion_pytorch_model.non_ema.safetensors)", error.Message);
    }

    [Fact]
    public void ShardsOfOneModel()
    {
        using TempFolder temp = new();
        Index(temp, "transformer");
        SafetensorsBytes.Write(temp["transformer", "diffusion_pytorch_model-00001-of-00002.safetensors"], new TestTensor("a", DType.F32, [1], [1]));
        SafetensorsBytes.Write(temp["transformer", "diffusion_pytorch_model-00002-of-00002.safetensors"], new TestTensor("b", DType.F32, [1], [2]));
        File.WriteAllText(
            temp["transformer", $"{Usual}.index.json"],
            """{"metadata": {"total_size": 9}, "weight_map": {"a": "diffusion_pytorch_model-00001-of-00002.safetensors", "b": "diffusion_pytorch_model-00002-of-00002.safetensors"}}""");
        using Checkpoint pipeline = Checkpoint.Open(temp.Path);
        Assert.Equal(["transformer.a", "transformer.b"], pipeline.Tensors.Keys.Order(StringComparer.Ordinal));
        Assert.StartsWith("transformer: ", Assert.Single(pipeline.Warnings));
        File.Delete(temp["transformer", "diffusion_pytorch_model-00002-of-00002.safetensors"]);
        Assert.Throws<InvalidFileException>(() => Checkpoint.Open(temp.Path));
    }

    [Fact]
    public void AModelInAnotherFormatGoesAlongAsItIs()
    {
        using TempFolder temp = new();
        Index(temp, "unet", "safety_checker");
        Write(temp, "unet", Usual);
        Directory.CreateDirectory(temp["safety_checker"]);
        File.WriteAllText(temp["safety_checker", "pytorch_model.bin"], "x");
        using Checkpoint pipeline = Checkpoint.Open(temp.Path);
        Assert.Contains("safety_checker/pytorch_model.bin", pipeline.OtherFiles);
        Assert.Contains("safety_checker has weights only in a format that is not read", Assert.Single(pipeline.Warnings));
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{\"unet\": ")]
    [InlineData("{\"unet\": 1, \"unet\": 2}")]
    public void ABrokenIndexIsRefused(string json)
    {
        using TempFolder temp = new();
        Write(temp, "unet", Usual);
        File.WriteAllText(temp["model_index.json"], json);
        Assert.Throws<InvalidFileException>(() => Checkpoint.Open(temp.Path));
    }

    /// <summary>Names that lead elsewhere are no folders of the pipeline; without any other, the folder has no model.</summary>
    [Theory]
    [InlineData("../elsewhere")]
    [InlineData("..")]
    [InlineData("a/b")]
    [InlineData("un.et")]
    [InlineData("/tmp")]
    [InlineData("")]
    public void NamesThatLeadElsewhereAreNoFolders(string name)
    {
        using TempFolder temp = new();
        Write(temp, "elsewhere", Usual);
        SafetensorsBytes.Write(temp["pipeline", "un.et", Usual], new TestTensor("w", DType.F32, [1], [1]));
        SafetensorsBytes.Write(temp["pipeline", "a", "b", Usual], new TestTensor("w", DType.F32, [1], [1]));
        File.WriteAllText(temp["pipeline", "model_index.json"], $$"""{"{{name}}": ["diffusers", "X"]}""");
        Assert.Throws<InputNotFoundException>(() => Checkpoint.Open(temp["pipeline"]));
    }

    private static void Index(TempFolder temp, params string[] names) => File.WriteAllText(
        temp["model_index.json"], $$"""{"_class_name": "P", "_diffusers_version": "0.36", {{string.Join(", ", names.Select(name => $"\"{name}\": [\"diffusers\", \"X\"]"))}}}""");

    private static void Write(TempFolder temp, string folder, string file) => SafetensorsBytes.Write(temp[folder, file], new TestTensor("w", DType.F32, [1], [5]));
}
