using System.Diagnostics;
using LoraKit.Formats.Checkpoints;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Checkpoints;

/// <summary>What goes where a model goes, and what does not.</summary>
public sealed class OtherFilesTests : IDisposable
{
    private readonly TempFolder _temp = new();

    public OtherFilesTests() => TinyModel.WriteFile(_temp["model.safetensors"], "a");

    public void Dispose() => _temp.Dispose();

    [Fact]
    public void TheModelsOwnFilesAndNoWeights()
    {
        string[] companions =
        [
            "1_Pooling/config.json", "LICENSE", "README.md", "chat_template.jinja", "config.json", "generation_config.json", "merges.txt", "modeling_tiny.py",
            "special tokens ünïcode.json", "spiece.model", "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.txt",
        ];
        string[] leftOut =
        [
            "adapter_config.json", "adapter_model.bin", "adapter_model.safetensors", "coreml/model.mlmodel", "flax_model.msgpack", "model.ckpt", "model.ckpt.index",
            "model.fp16.safetensors", "model.gguf", "model.onnx_data", "onnx/model.onnx", "openvino_model.xml", "optimizer.pt", "original/consolidated.00.pth",
            "pytorch_model.bin", "pytorch_model.bin.index.json", "rust_model.ot", "tf_model.h5", "training_args.bin", "voices.npz", "x.safetensors.index.json",
        ];
        string[] hidden = [".gitattributes", ".git/config", ".cache/huggingface/x.json", "sub/.hidden/config.json", "sub/.secret.json"];
        foreach (string name in companions.Concat(leftOut).Concat(hidden).Where(n => n != "x.safetensors.index.json"))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_temp[name])!);
            File.WriteAllText(_temp[name], "{}");
        }

        using Checkpoint model = Checkpoint.Open(_temp.Path);
        Assert.Equal(companions, model.OtherFiles);
        Assert.Equal(leftOut.Where(n => n != "x.safetensors.index.json"), model.LeftOutFiles);
    }

    [Fact]
    public void LinksToFilesAreFollowedLinksToFoldersAreNot()
    {
        Directory.CreateDirectory(_temp["real"]);
        File.WriteAllText(_temp["real", "inner.json"], "{}");
        File.CreateSymbolicLink(_temp["tokenizer.json"], "real/inner.json");
        Directory.CreateSymbolicLink(_temp["real", "loop"], "..");
        Directory.CreateSymbolicLink(_temp["linked"], "real");
        File.CreateSymbolicLink(_temp["dangling.json"], "nothing");
        File.CreateSymbolicLink(_temp["circle.json"], "circle.json");
        using Checkpoint model = Checkpoint.Open(_temp.Path);
        Assert.Equal(["real/inner.json", "tokenizer.json"], model.OtherFiles);
        Assert.Equal(["circle.json", "dangling.json", "linked", "real/loop"], model.LeftOutFiles);
    }

    [Fact]
    public void APipeIsNeitherOpenedNorCopied()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "no mkfifo");
        foreach (string name in new[] { "tokenizer.json", "config.json" })
        {
            using Process process = Process.Start("mkfifo", [_temp[name]]);
            process.WaitForExit();
        }

        using Checkpoint model = Checkpoint.Open(_temp.Path);
        Assert.Null(model.Config);
        Assert.Empty(model.OtherFiles);
        Assert.Equal(["config.json", "tokenizer.json"], model.LeftOutFiles);
    }

    [Fact]
    public void ANameThatCannotBeWrittenEverywhereIsLeftOut()
    {
        File.WriteAllText(_temp["line\nbreak.json"], "{}");
        using Checkpoint model = Checkpoint.Open(_temp.Path);
        Assert.Empty(model.OtherFiles);
        Assert.Equal(["line\nbreak.json"], model.LeftOutFiles);
    }

    [Fact]
    public void FoldersTooDeep()
    {
        Directory.CreateDirectory(_temp[[.. Enumerable.Repeat("d", 40)]]);
        Assert.Contains("deep", Assert.Throws<InvalidFileException>(() => Checkpoint.Open(_temp.Path)).Message);
    }

    [Fact]
    public void TooManyFiles()
    {
        Directory.CreateDirectory(_temp["many"]);
        for (int i = 0; i <= 10_000; i++)
        {
            File.Create(_temp["many", $"{i}.txt"]).Dispose();
        }

        Assert.Contains("10000 files", Assert.Throws<InvalidFileException>(() => Checkpoint.Open(_temp.Path)).Message);
    }
}
