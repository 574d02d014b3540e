using LoraKit.Formats.Files;
using LoraKit.Tests;
using static LoraKit.Formats.Tests.Files.AtomicOutputTests;

namespace LoraKit.Formats.Tests.Files;

/// <summary>Replacing an older output: the old or the new, never a mixture, and nothing that is no model's.</summary>
public sealed class OverwriteTests : IDisposable
{
    private static readonly AtomicOutputOptions Overwrite = new() { Overwrite = true };

    private readonly TempFolder _temp = new();

    public void Dispose() => _temp.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void AFileIsReplacedAndKeepsItsMode(bool flush)
    {
        File.WriteAllText(_temp["a"], "the old and longer one");
        Modes.Set(_temp["a"], UnixFileMode.UserRead | UnixFileMode.GroupRead);
        CommitSingle(_temp["a"], Overwrite with { Flush = flush }, "new");
        Assert.Equal("new", File.ReadAllText(_temp["a"]));
        Assert.Equal(["a"], Entries(_temp.Path));
        Assert.Equal(OperatingSystem.IsWindows() ? UnixFileMode.None : UnixFileMode.UserRead | UnixFileMode.GroupRead, Modes.Get(_temp["a"]));
    }

    [Fact]
    public void AFileThatIsNotReplacedYetStaysAsItWas()
    {
        File.WriteAllText(_temp["a"], "old");
        using (AtomicOutput output = AtomicOutput.CreateSingle(_temp["a"], Overwrite))
        {
            output.CreateFile("a", 3).Write(0, "new"u8);
            Assert.Equal("old", File.ReadAllText(_temp["a"]));
        }

        Assert.Equal("old", File.ReadAllText(_temp["a"]));
        Assert.Equal(["a"], Entries(_temp.Path));
    }

    [Fact]
    public void AReaderOfTheOldFileReadsOn()
    {
        File.WriteAllText(_temp["a"], "old");
        using FileStream reader = new(_temp["a"], FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        CommitSingle(_temp["a"], Overwrite, "new");
        byte[] read = new byte[3];
        reader.ReadExactly(read);
        Assert.Equal("old"u8, read);
    }

    [Fact]
    public void TheOtherNameOfAReplacedHardLinkKeepsItsBytes()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "no ln");
        File.WriteAllText(_temp["a"], "old");
        using (System.Diagnostics.Process link = System.Diagnostics.Process.Start("ln", [_temp["a"], _temp["b"]]))
        {
            link.WaitForExit();
        }

        CommitSingle(_temp["a"], Overwrite, "new");
        Assert.Equal("old", File.ReadAllText(_temp["b"]));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void AModelsFolderIsReplacedWhole(bool flush)
    {
        Old("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json", "config.json", "tokenizer.model", "vocab.txt");
        Commit(_temp["out"], Overwrite with { Flush = flush }, ("model.safetensors", "new"), ("README.md", "new"));
        Assert.Equal(["README.md", "model.safetensors"], Entries(_temp["out"]));
        Assert.Equal(["out"], Entries(_temp.Path));
    }

    [Fact]
    public void ANameThatIsWrittenAgainIsNoStranger()
    {
        Old("README.md", "1_Pooling/config.json", "notes/mine.txt");
        Commit(_temp["out"], Overwrite with { PlannedFiles = ["README.md", "notes/mine.txt"] }, ("README.md", "new"), ("notes/mine.txt", "new"));
        Assert.Equal(["README.md", "notes", "notes/mine.txt"], AllBelow(_temp["out"]));
    }

    [Theory]
    [InlineData("thesis.docx")]
    [InlineData("README.md")]
    [InlineData(".bashrc")]
    [InlineData(".git/config.json")]
    [InlineData("sub/deeper/photo.jpg")]
    [InlineData("optimizer.safetensors")]
    [InlineData("data.json")]
    public void AFolderWithAStrangerIsRefusedAtOnceWhereTheNamesAreKnown(string stranger)
    {
        Old("config.json", stranger);
        OutputException e = Assert.Throws<OutputException>(() => AtomicOutput.CreateFolder(_temp["out"], Overwrite with { PlannedFiles = ["model.safetensors"] }));
        Assert.Contains(stranger.Split('/')[0], e.Message);
        Assert.True(File.Exists(_temp["out", stranger]));
        Assert.Equal(["out"], Entries(_temp.Path));
    }

    [Fact]
    public void AFolderWithAStrangerIsRefusedAtTheCommitWhereTheyAreNot()
    {
        Old("config.json", "thesis.docx");
        OutputException e = Assert.Throws<OutputException>(() => Commit(_temp["out"], Overwrite, ("config.json", "new")));
        Assert.Contains("thesis.docx", e.Message);
        Assert.Equal("old", File.ReadAllText(_temp["out", "config.json"]));
        Assert.Equal(["out"], Entries(_temp.Path));
    }

    [Fact]
    public void AStrangerThatAppearedMeanwhileIsNotLost()
    {
        Old("config.json");
        using (AtomicOutput output = AtomicOutput.CreateFolder(_temp["out"], Overwrite with { PlannedFiles = [] }))
        {
            File.WriteAllText(_temp["out", "thesis.docx"], "precious");
            Assert.Throws<OutputException>(output.Commit);
        }

        Assert.Equal("precious", File.ReadAllText(_temp["out", "thesis.docx"]));
    }

    [Fact]
    public void LinksInAReplacedFolderAreRemovedNotFollowed()
    {
        File.WriteAllText(_temp["weights"], "precious");
        Old("config.json");
        File.CreateSymbolicLink(_temp["out", "model.safetensors"], "../weights");
        Commit(_temp["out"], Overwrite, ("model.safetensors", "new"));
        Assert.Equal("precious", File.ReadAllText(_temp["weights"]));
        Assert.Equal("new", File.ReadAllText(_temp["out", "model.safetensors"]));
    }

    [Fact]
    public void AFolderKeepsItsMode()
    {
        Assert.SkipUnless(Modes.Exist, "no modes here");
        Old("config.json");
        UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        Modes.Set(_temp["out"], mode);
        Commit(_temp["out"], Overwrite, ("config.json", "new"));
        Assert.Equal(mode, Modes.Get(_temp["out"]));
    }

    [Fact]
    public void NewFilesHaveTheModeOfAnyNewFile()
    {
        Assert.SkipUnless(Modes.Exist, "no modes here");
        File.WriteAllText(_temp["plain"], "x");
        Directory.CreateDirectory(_temp["plain-folder"]);
        Commit(_temp["out"], new(), ("a", "x"));
        CommitSingle(_temp["b"], new(), "x");
        Assert.Equal(Modes.Get(_temp["plain"]), Modes.Get(_temp["out", "a"]));
        Assert.Equal(Modes.Get(_temp["plain"]), Modes.Get(_temp["b"]));
        Assert.Equal(Modes.Get(_temp["plain-folder"]), Modes.Get(_temp["out"]));
    }

    private void Old(params string[] names)
    {
        foreach (string name in names)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_temp["out", name])!);
            File.WriteAllText(_temp["out", name], "old");
        }
    }
}
