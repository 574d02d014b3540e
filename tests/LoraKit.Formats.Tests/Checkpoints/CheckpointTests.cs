using LoraKit.Formats.Checkpoints;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Checkpoints;

/// <summary>What counts as a model, and which of its files.</summary>
public sealed class CheckpointTests : IDisposable
{
    private const string Index = "model.safetensors.index.json";
    private const string First = "model-00001-of-00002.safetensors";
    private const string Second = "model-00002-of-00002.safetensors";

    private readonly TempFolder _temp = new();

    public void Dispose() => _temp.Dispose();

    [Fact]
    public void ASingleFile()
    {
        TinyModel.WriteFile(_temp["any name.safetensors"], "a", "b");
        File.WriteAllText(_temp["config.json"], "{}");
        using Checkpoint model = Checkpoint.Open(_temp["any name.safetensors"]);
        Assert.Null(model.Folder);
        Assert.Null(model.Config);
        Assert.Null(model.IndexFile);
        Assert.Empty(model.OtherFiles);
        Assert.Equal(["any name.safetensors"], model.Shards.Select(s => s.RelativePath));
        Assert.Equal(["a", "b"], model.Tensors.Keys.Order());
        Assert.Equal(_temp["any name.safetensors"], model.Path);
    }

    [Theory]
    [InlineData("model.safetensors")]
    [InlineData("diffusion_pytorch_model.safetensors")]
    public void AFolderWithOneFile(string name)
    {
        TinyModel.WriteFile(_temp[name], "a");
        File.WriteAllText(_temp["config.json"], """{"model_type": "tiny"}""");
        using Checkpoint model = Checkpoint.Open(_temp.Path);
        Assert.Equal(_temp.Path, model.Folder);
        Assert.Equal([name], model.Shards.Select(s => s.RelativePath));
        Assert.Equal("tiny", model.Config!.ModelType);
        Assert.Equal(["config.json"], model.OtherFiles);
        Assert.Empty(model.LeftOutFiles);
        Assert.Null(model.IndexFile);
    }

    [Fact]
    public void ModelSafetensorsWinsOverOtherFiles()
    {
        TinyModel.WriteFile(_temp["model.safetensors"], "a");
        TinyModel.WriteFile(_temp["consolidated.safetensors"], "x");
        using Checkpoint model = Checkpoint.Open(_temp.Path);
        Assert.Equal(["a"], model.Tensors.Keys);
        Assert.Equal(["consolidated.safetensors"], model.LeftOutFiles);
    }

    [Theory]
    [InlineData("")]
    [InlineData("model.safetensors.index.json")]
    public void ShardsWithTheirIndex(string named)
    {
        TinyModel.WriteSharded(_temp.Path);
        using Checkpoint model = Checkpoint.Open(Path.Combine(_temp.Path, named));
        Assert.Equal([First, Second], model.Shards.Select(s => s.RelativePath));
        Assert.Equal(["a", "b", "c"], model.Tensors.Keys.Order());
        Assert.Equal(_temp[Second], model.Tensors["c"].File);
        Assert.Equal(Index, model.IndexFile);
        Assert.Contains("72", model.IndexMetadata);
        Assert.Equal(_temp.Path, model.Folder);
        Assert.Equal(["config.json"], model.OtherFiles);
        Assert.Empty(model.LeftOutFiles);
        Assert.Empty(model.Warnings);
    }

    [Fact]
    public void AnIndexOfAnotherStemWithShardsInFolders()
    {
        TinyModel.WriteFile(_temp["unet", "part-1.safetensors"], "a");
        TinyModel.WriteFile(_temp["unet", "deep", "part-2.safetensors"], "b");
        TinyModel.WriteIndex(
            _temp["unet", "diffusion_pytorch_model.safetensors.index.json"], null, ("a", "./part-1.safetensors"), ("b", @"deep\part-2.safetensors"));
        using Checkpoint model = Checkpoint.Open(_temp["unet"]);
        Assert.Equal(["deep/part-2.safetensors", "part-1.safetensors"], model.Shards.Select(s => s.RelativePath));
        Assert.Null(model.IndexMetadata);
        Assert.Empty(model.LeftOutFiles);
    }

    [Fact]
    public void AnIndexForOneShard()
    {
        TinyModel.WriteFile(_temp["model.safetensors"], "a");
        TinyModel.WriteIndex(_temp[Index], 24, ("a", "model.safetensors"));
        using Checkpoint model = Checkpoint.Open(_temp.Path);
        Assert.Equal(["model.safetensors"], model.Shards.Select(s => s.RelativePath));
        Assert.Empty(model.Warnings);
        Assert.Empty(model.LeftOutFiles);
    }

    [Fact]
    public void AWrongTotalSizeIsAWarning()
    {
        TinyModel.WriteSharded(_temp.Path);
        TinyModel.WriteIndex(_temp[Index], 71, ("a", First), ("b", First), ("c", Second));
        using Checkpoint model = Checkpoint.Open(_temp.Path);
        Assert.Contains("71", Assert.Single(model.Warnings));
        Assert.Contains("72", model.Warnings[0]);
    }

    [Fact]
    public void TheIndexWinsOverAWholeFileIfItsShardsAreThere()
    {
        TinyModel.WriteSharded(_temp.Path);
        TinyModel.WriteFile(_temp["model.safetensors"], "x");
        using (Checkpoint model = Checkpoint.Open(_temp.Path))
        {
            Assert.Equal(["a", "b", "c"], model.Tensors.Keys.Order());
            Assert.Equal(["model.safetensors"], model.LeftOutFiles);
            Assert.Contains("model.safetensors", Assert.Single(model.Warnings));
        }

        File.Delete(_temp[Second]);
        InvalidFileException e = Assert.Throws<InvalidFileException>(() => Checkpoint.Open(_temp.Path));
        Assert.Contains(Index, e.Message);
        Assert.Contains("and model.safetensors is there", e.Message);
    }

    [Fact]
    public void AShardThatIsMissing()
    {
        TinyModel.WriteSharded(_temp.Path);
        File.Delete(_temp[Second]);
        InvalidFileException e = Assert.Throws<InvalidFileException>(() => Checkpoint.Open(_temp.Path));
        Assert.Contains(Second, e.Message);
        Assert.Contains("1 of its 2 shards", e.Message);
        Assert.Equal(_temp[Second], e.File);
    }

    [Fact]
    public void AShardWhoseLinkLeadsNowhere()
    {
        TinyModel.WriteSharded(_temp.Path);
        File.Delete(_temp[Second]);
        File.CreateSymbolicLink(_temp[Second], "../blobs/gone");
        Assert.Contains("../blobs/gone", Assert.Throws<InvalidFileException>(() => Checkpoint.Open(_temp.Path)).Message);
    }

    [Fact]
    public void ATensorThatItsShardLacks()
    {
        TinyModel.WriteSharded(_temp.Path);
        TinyModel.WriteIndex(_temp[Index], 72, ("a", First), ("b", First), ("c", Second), ("missing", Second));
        InvalidFileException e = Assert.Throws<InvalidFileException>(() => Checkpoint.Open(_temp.Path));
        Assert.Equal("missing", e.Tensor);
        Assert.Equal(_temp[Second], e.File);
        Assert.Contains("'missing'", e.Message);
    }

    [Fact]
    public void ATensorThatTheIndexDoesNotName()
    {
        TinyModel.WriteSharded(_temp.Path);
        TinyModel.WriteIndex(_temp[Index], 72, ("a", First), ("c", Second));
        InvalidFileException e = Assert.Throws<InvalidFileException>(() => Checkpoint.Open(_temp.Path));
        Assert.Equal("b", e.Tensor);
        Assert.Equal(_temp[First], e.File);
    }

    [Fact]
    public void ATensorInTwoShards()
    {
        TinyModel.WriteSharded(_temp.Path);
        TinyModel.WriteFile(_temp[Second], "c", "b");
        InvalidFileException e = Assert.Throws<InvalidFileException>(() => Checkpoint.Open(_temp.Path));
        Assert.Equal("b", e.Tensor);
        Assert.Equal(_temp[Second], e.File);
        Assert.Contains(First, e.Message);
    }

    [Fact]
    public void ATensorInAnotherShardThanTheIndexSays()
    {
        TinyModel.WriteSharded(_temp.Path);
        TinyModel.WriteIndex(_temp[Index], 72, ("a", First), ("b", Second), ("c", Second));
        InvalidFileException e = Assert.Throws<InvalidFileException>(() => Checkpoint.Open(_temp.Path));
        Assert.Equal("b", e.Tensor);
        Assert.Contains(Second, e.Message);
    }

    [Fact]
    public void TwoNamesOfOneShard()
    {
        TinyModel.WriteFile(_temp["one.safetensors"], "a", "b");
        File.CreateSymbolicLink(_temp["two.safetensors"], "one.safetensors");
        TinyModel.WriteIndex(_temp[Index], null, ("a", "one.safetensors"), ("b", "two.safetensors"));
        Assert.Throws<InvalidFileException>(() => Checkpoint.Open(_temp.Path));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(1)]
    public void AShardOfAnotherLength(int more)
    {
        TinyModel.WriteSharded(_temp.Path);
        using (FileStream shard = File.OpenWrite(_temp[Second]))
        {
            shard.SetLength(shard.Length + more);
        }

        InvalidFileException e = Assert.Throws<InvalidFileException>(() => Checkpoint.Open(_temp.Path));
        Assert.Equal(_temp[Second], e.File);
    }

    [Fact]
    public void AGitLfsPointerIsSaidToBeOne()
    {
        TinyModel.WriteSharded(_temp.Path);
        File.WriteAllText(_temp[First], "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 123456789\n");
        Assert.Contains("git lfs pull", Assert.Throws<InvalidFileException>(() => Checkpoint.Open(_temp.Path)).Message);
        File.WriteAllText(_temp[Index], "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 123456789\n");
        Assert.Contains("git lfs pull", Assert.Throws<InvalidFileException>(() => Checkpoint.Open(_temp.Path)).Message);
    }

    [Fact]
    public void ALinkedCacheFolderReadsFine()
    {
        TinyModel.WriteFile(_temp["models--o--n", "blobs", "aa"], "a");
        TinyModel.WriteFile(_temp["models--o--n", "blobs", "bb"], "b");
        TinyModel.WriteIndex(_temp["models--o--n", "blobs", "cc"], 48, ("a", First), ("b", Second));
        File.WriteAllText(_temp["models--o--n", "blobs", "dd"], """{"model_type": "tiny"}""");
        Directory.CreateDirectory(_temp["models--o--n", "snapshots", "sha"]);
        foreach ((string name, string blob) in new[] { (First, "aa"), (Second, "bb"), (Index, "cc"), ("config.json", "dd") })
        {
            File.CreateSymbolicLink(_temp["models--o--n", "snapshots", "sha", name], $"../../blobs/{blob}");
        }

        using Checkpoint model = Checkpoint.Open(_temp["models--o--n", "snapshots", "sha"]);
        Assert.Equal(["a", "b"], model.Tensors.Keys.Order());
        Assert.Equal("tiny", model.Config!.ModelType);
        Assert.Equal(["config.json"], model.OtherFiles);
    }

    [Fact]
    public void WhatIsNotThere()
    {
        Assert.Throws<InputNotFoundException>(() => Checkpoint.Open(_temp["nothing"]));
        Assert.Throws<InputNotFoundException>(() => Checkpoint.Open(_temp["nothing.safetensors"]));
        Assert.Throws<InputNotFoundException>(() => Checkpoint.Open(_temp["nothing.safetensors.index.json"]));
        Assert.Contains("no model in it", Assert.Throws<InputNotFoundException>(() => Checkpoint.Open(_temp.Path)).Message);
    }

    [Theory]
    [InlineData("pytorch_model.bin")]
    [InlineData("model-q4_0.gguf")]
    [InlineData("consolidated.00.pth")]
    [InlineData("tf_model.h5")]
    public void WeightsInAnotherFormatAreNamed(string name)
    {
        File.WriteAllText(_temp[name], "x");
        File.WriteAllText(_temp["config.json"], "{}");
        Assert.Contains(name, Assert.Throws<UnsupportedException>(() => Checkpoint.Open(_temp.Path)).Message);
    }

    [Fact]
    public void AnAdapterIsNoBaseModel()
    {
        TinyModel.WriteFile(_temp["adapter_model.safetensors"], "a");
        File.WriteAllText(_temp["adapter_config.json"], "{}");
        Assert.Contains("adapter", Assert.Throws<UnsupportedException>(() => Checkpoint.Open(_temp.Path)).Message);
    }

    [Fact]
    public void FoldersThatCouldBeSeveralModelsAreRefused()
    {
        TinyModel.WriteFile(_temp["one.safetensors"], "a");
        TinyModel.WriteFile(_temp["two.safetensors"], "a");
        string message = Assert.Throws<InvalidFileException>(() => Checkpoint.Open(_temp.Path)).Message;
        Assert.Contains("one.safetensors", message);
        Assert.Contains("two.safetensors", message);

        TinyModel.WriteIndex(_temp["one.safetensors.index.json"], null, ("a", "one.safetensors"));
        TinyModel.WriteIndex(_temp["two.safetensors.index.json"], null, ("a", "two.safetensors"));
        Assert.Contains("two.safetensors.index.json", Assert.Throws<InvalidFileException>(() => Checkpoint.Open(_temp.Path)).Message);
        using Checkpoint named = Checkpoint.Open(_temp["two.safetensors.index.json"]);
        Assert.Equal(["two.safetensors"], named.Shards.Select(s => s.RelativePath));
    }

    [Fact]
    public void ShardsWithoutAnIndexAreRefused()
    {
        TinyModel.WriteFile(_temp[First], "a");
        Assert.Contains("index.json", Assert.Throws<InvalidFileException>(() => Checkpoint.Open(_temp.Path)).Message);
        TinyModel.WriteFile(_temp[Second], "b");
        Assert.Contains("index.json", Assert.Throws<InvalidFileException>(() => Checkpoint.Open(_temp.Path)).Message);
    }

    [Fact]
    public void AFolderOfModelsNamesThem()
    {
        TinyModel.WriteFile(_temp["unet", "diffusion_pytorch_model.safetensors"], "a");
        TinyModel.WriteFile(_temp["vae", "diffusion_pytorch_model.safetensors"], "a");
        string message = Assert.Throws<InputNotFoundException>(() => Checkpoint.Open(_temp.Path)).Message;
        Assert.Contains("unet, vae", message);
    }

    [Fact]
    public void RealModelsOpen()
    {
        Assert.SkipWhen(Paths.RealData is null, "no real data on this machine");
        string folder = Path.Combine(Paths.RealData!, "base", "ollama__ollama", "convert", "testdata", "minicpm3-4b");
        using (Checkpoint model = Checkpoint.Open(folder))
        {
            Assert.Equal(15, model.Tensors.Count);
            Assert.Equal(["config.json", "tokenizer_config.json"], model.OtherFiles);
            Assert.Equal("minicpm3", model.Config!.ModelType);
        }

        using Checkpoint single = Checkpoint.Open(Path.Combine(Paths.RealData!, "base", "pytorch__torchtune", "gemma_hf_checkpoint.safetensors"));
        Assert.Equal(11, single.Tensors.Count);
    }
}
