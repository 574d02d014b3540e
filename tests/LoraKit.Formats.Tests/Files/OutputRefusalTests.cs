using LoraKit.Formats.Files;
using LoraKit.Tests;
using static LoraKit.Formats.Tests.Files.AtomicOutputTests;

namespace LoraKit.Formats.Tests.Files;

/// <summary>What an output may not be: refused before anything is written, and nothing is left.</summary>
public sealed class OutputRefusalTests : IDisposable
{
    private readonly TempFolder _temp = new();

    public OutputRefusalTests()
    {
        Directory.CreateDirectory(_temp["base", "sub"]);
        File.WriteAllText(_temp["base", "model.safetensors"], "weights");
        File.WriteAllText(_temp["base", "sub", "config.json"], "{}");
        File.WriteAllText(_temp["adapter.safetensors"], "adapter");
    }

    public void Dispose() => _temp.Dispose();

    [Fact]
    public void AnExistingOutput()
    {
        Directory.CreateDirectory(_temp["there"]);
        Assert.Contains("exists already", Refused(folder: true, _temp["there"], overwrite: false));
        Assert.Contains("exists already", Refused(folder: false, _temp["there"], overwrite: false));
        File.WriteAllText(_temp["file"], "x");
        Assert.Contains("exists already", Refused(folder: true, _temp["file"], overwrite: false));
        Assert.Contains("exists already", Refused(folder: false, _temp["file"], overwrite: false));
    }

    [Fact]
    public void AnExistingOutputOfAnotherKind()
    {
        Directory.CreateDirectory(_temp["there"]);
        Assert.Contains("is a folder, and a file", Refused(folder: false, _temp["there"]));
        File.WriteAllText(_temp["file"], "x");
        Assert.Contains("is a file, and a folder", Refused(folder: true, _temp["file"]));
    }

    [Fact]
    public void NoName() => Assert.Contains("is empty", Refused(folder: true, ""));

    [Fact]
    public void ANameThatNoFileSystemTakesIsRefusedBeforeAnythingIsWritten() =>
        Assert.Contains("too long (at most 255 bytes)", Refused(folder: true, _temp[new string('n', 256)]));

    [Fact]
    public void AFolderThatTakesNoFiles()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs /proc");
        Assert.Contains("its folder takes no files", Refused(folder: true, "/proc/lorakit-output"));
    }

    [Fact]
    public void APathIsNamedOnce()
    {
        string message = Refused(folder: true, _temp["base"], inputs: [_temp["base"]]);
        Assert.Equal(message.IndexOf(_temp["base"], StringComparison.Ordinal), message.LastIndexOf(_temp["base"], StringComparison.Ordinal));
    }

    [Fact]
    public void AnInputsLinkInACircleHindersNothing()
    {
        File.CreateSymbolicLink(_temp["base", "circle"], _temp["base", "circle"]);
        using AtomicOutput output = AtomicOutput.CreateFolder(_temp["out"], new() { Inputs = [_temp["base"]], Flush = false });
        Assert.Equal(_temp["out"], output.Path);
    }

    [Theory]
    [InlineData("base/model.safetensors", "lies inside the input")]
    [InlineData("./base/../base/./model.safetensors", "lies inside the input")]
    [InlineData("link/model.safetensors", "lies inside the input")]
    [InlineData("inner-link/../base/model.safetensors", "lies inside the input")]
    [InlineData("hard.safetensors", "is the input")]
    [InlineData("adapter.safetensors", "is the input")]
    [InlineData("base/new.safetensors", "lies inside the input")]
    [InlineData("base/sub/new/deep.safetensors", "lies inside the input")]
    [InlineData("link/sub/new.safetensors", "lies inside the input")]
    [InlineData("inner-link/new.safetensors", "lies inside the input")]
    [InlineData("chain/new.safetensors", "lies inside the input")]
    public void AFileThatIsOrLiesInAnInput(string path, string said)
    {
        MakeLinks();
        string output = _temp.Path + "/" + path;
        Assert.Contains(said, Refused(folder: false, output, inputs: [_temp["base"], _temp["adapter.safetensors"]]));

        // The inputs may be spelt through links as well.
        Assert.Contains(said, Refused(folder: false, output, inputs: [_temp["chain"], _temp["adapter-link.safetensors"]]));
        Assert.Equal("weights", File.ReadAllText(_temp["base", "model.safetensors"]));
    }

    [Fact]
    public void AHardLinkToAnInputFile()
    {
        MakeLinks();
        Assert.Contains("is the input", Refused(folder: false, _temp["hard.safetensors"], inputs: [_temp["base", "model.safetensors"]]));
    }

    [Theory]
    [InlineData("base", "is the input")]
    [InlineData("base/", "is the input")]
    [InlineData("base/new", "lies inside")]
    [InlineData("base/sub", "lies inside")]
    [InlineData(".", "contains the input")]
    [InlineData("base/..", "contains the input")]
    public void AFolderThatTouchesAnInput(string path, string said)
    {
        Assert.Contains(said, Refused(folder: true, _temp.Path + "/" + path, inputs: [_temp["base"]]));
        Assert.True(File.Exists(_temp["base", "sub", "config.json"]));
    }

    [Fact]
    public void AFolderThatContainsAnInputFileThroughALink()
    {
        MakeLinks();
        Assert.Contains("contains the input", Refused(folder: true, _temp["base"], inputs: [_temp["model-link.safetensors"]]));
    }

    [Fact]
    public void WhatAnInputFoldersLinksLeadTo()
    {
        Directory.CreateDirectory(_temp["blobs"]);
        File.WriteAllText(_temp["blobs", "weights"], "x");
        Directory.CreateDirectory(_temp["snapshot"]);
        File.CreateSymbolicLink(_temp["snapshot", "model.safetensors"], "../blobs/weights");
        Assert.Contains("is the input", Refused(folder: false, _temp["blobs", "weights"], inputs: [_temp["snapshot"]]));
        Assert.Contains("contains the input", Refused(folder: true, _temp["blobs"], inputs: [_temp["snapshot"]]));
    }

    [Theory]
    [InlineData(".out.lorakit-partial")]
    [InlineData(".out.lorakit-lock")]
    [InlineData(".out.lorakit-replaced")]
    public void AnInputUnderOneOfTheHiddenNames(string name)
    {
        File.WriteAllText(_temp[name], "precious");
        Refused(folder: true, _temp["out"], inputs: [_temp[name]]);
        Assert.Equal("precious", File.ReadAllText(_temp[name]));
    }

    [Fact]
    public void ASymbolicLink()
    {
        File.WriteAllText(_temp["target"], "precious");
        File.CreateSymbolicLink(_temp["to-file"], "target");
        File.CreateSymbolicLink(_temp["dangling"], "nothing");
        Directory.CreateSymbolicLink(_temp["to-folder"], _temp["base"]);
        foreach (string link in new[] { "to-file", "dangling", "to-folder" })
        {
            Assert.Contains("symbolic link", Refused(folder: false, _temp[link]));
            Assert.Contains("symbolic link", Refused(folder: true, _temp[link]));
            Assert.Contains("symbolic link", Refused(folder: true, _temp[link] + "/"));
        }

        Assert.Equal("precious", File.ReadAllText(_temp["target"]));
        Assert.False(File.Exists(_temp["nothing"]));
    }

    [Fact]
    public void LinksThatLeadInACircle()
    {
        Directory.CreateSymbolicLink(_temp["one"], _temp["two"]);
        Directory.CreateSymbolicLink(_temp["two"], _temp["one"]);
        Refused(folder: true, _temp["one", "out"], overwrite: false);
    }

    [Fact]
    public void AParentThatIsNoFolder()
    {
        Assert.Contains("is not a folder", Refused(folder: true, _temp["adapter.safetensors", "out"]));
        Assert.Contains("is not a folder", Refused(folder: true, _temp["adapter.safetensors", "a", "b"]));
        File.CreateSymbolicLink(_temp["dangling"], "nothing");
        Assert.Contains("is not a folder", Refused(folder: true, _temp["dangling", "out"]));
    }

    [Theory]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("a\0b")]
    public void WhatIsNoPath(string path)
    {
        Assert.Throws<OutputException>(() => AtomicOutput.CreateFolder(path, new() { Overwrite = true }));
        Assert.Throws<OutputException>(() => AtomicOutput.CreateSingle(path, new() { Overwrite = true }));
    }

    [Fact]
    public void ADevice()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "no /dev/full here");
        Assert.Contains("exists already", Assert.Throws<OutputException>(() => AtomicOutput.CreateSingle("/dev/full", new())).Message);
        Assert.Contains("device", Assert.Throws<OutputException>(() => AtomicOutput.CreateSingle("/dev/full", new() { Overwrite = true })).Message);
        Assert.Contains("is not a folder", Assert.Throws<OutputException>(() => AtomicOutput.CreateFolder("/dev/full/out", new())).Message);
        Assert.Throws<OutputException>(() => AtomicOutput.CreateFolder("/proc/lorakit-out", new()));
    }

    [Fact]
    public void APlaceInTheHuggingFaceCache()
    {
        string repository = _temp["hub", "models--org--name"];
        Directory.CreateDirectory(Path.Combine(repository, "blobs"));
        Directory.CreateDirectory(Path.Combine(repository, "snapshots", "abc"));
        Directory.CreateSymbolicLink(_temp["cached"], Path.Combine(repository, "snapshots", "abc"));
        Assert.Contains("Hugging Face cache", Refused(folder: false, Path.Combine(repository, "blobs", "new")));
        Assert.Contains("Hugging Face cache", Refused(folder: true, Path.Combine(repository, "snapshots", "abc")));
        Assert.Contains("Hugging Face cache", Refused(folder: false, _temp["cached", "model.safetensors"]));
    }

    [Fact]
    public void AFolderThatMayNotBeWritten()
    {
        Assert.SkipWhen(Environment.IsPrivilegedProcess || OperatingSystem.IsWindows(), "permissions do not stop this user");
        Directory.CreateDirectory(_temp["locked"]);
        Modes.Set(_temp["locked"], UnixFileMode.UserRead | UnixFileMode.UserExecute);
        Assert.Contains("permission", Refused(folder: true, _temp["locked", "out"]));
        Assert.Contains("permission", Refused(folder: true, _temp["locked", "new", "out"]));
    }

    [Fact]
    public void AControlCharacterIsEscapedInTheMessage()
    {
        Directory.CreateDirectory(_temp["red\u001b[31m"]);
        Assert.DoesNotContain('\u001b', Refused(folder: true, _temp["red\u001b[31m"], overwrite: false));
    }

    private void MakeLinks()
    {
        Directory.CreateSymbolicLink(_temp["link"], _temp["base"]);
        Directory.CreateSymbolicLink(_temp["inner-link"], "base/sub");
        Directory.CreateSymbolicLink(_temp["chain"], "link");
        File.CreateSymbolicLink(_temp["model-link.safetensors"], "link/model.safetensors");
        File.CreateSymbolicLink(_temp["adapter-link.safetensors"], "adapter.safetensors");
        using System.Diagnostics.Process link = System.Diagnostics.Process.Start("ln", [_temp["base", "model.safetensors"], _temp["hard.safetensors"]]);
        link.WaitForExit();
    }

    /// <summary>The message; and nothing on the disk has changed.</summary>
    private string Refused(bool folder, string path, bool overwrite = true, string[]? inputs = null)
    {
        string[] before = AllBelow(_temp.Path);
        AtomicOutputOptions options = new() { Overwrite = overwrite, Inputs = inputs ?? [] };
        OutputException e = Assert.Throws<OutputException>(() => folder ? AtomicOutput.CreateFolder(path, options) : AtomicOutput.CreateSingle(path, options));
        Assert.Equal(before, AllBelow(_temp.Path));
        Assert.DoesNotContain('\n', e.Message);
        Assert.NotNull(e.File);
        return e.Message;
    }
}
