using LoraKit.Formats.Files;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Files;

/// <summary>Whole or not at all.</summary>
public sealed class AtomicOutputTests : IDisposable
{
    private readonly TempFolder _temp = new();

    public void Dispose() => _temp.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void AFolderAppearsWithTheCommit(bool flush)
    {
        string path = _temp["out"];
        using (AtomicOutput output = AtomicOutput.CreateFolder(path, new() { Flush = flush }))
        {
            output.CreateFile("model.safetensors", 5).Write(0, "hello"u8);
            output.CreateFile("1_Pooling/deep/config.json", 2).Write(0, "{}"u8);
            output.CreateFile("empty.txt", 0);
            Assert.False(Path.Exists(path));
            output.Commit();
        }

        Assert.Equal(["out"], Entries(_temp.Path));
        Assert.Equal(["1_Pooling", "1_Pooling/deep", "1_Pooling/deep/config.json", "empty.txt", "model.safetensors"], AllBelow(path));
        Assert.Equal("hello"u8, File.ReadAllBytes(Path.Combine(path, "model.safetensors")));
        Assert.Equal("{}"u8, File.ReadAllBytes(Path.Combine(path, "1_Pooling/deep/config.json")));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void AFileAppearsWithTheCommit(bool flush)
    {
        string path = _temp["a.safetensors"];
        using (AtomicOutput output = AtomicOutput.CreateSingle(path, new() { Flush = flush }))
        {
            OutputFile file = output.CreateFile("a.safetensors", 6);
            file.Write(3, "def"u8);
            file.Write(0, "abc"u8);
            byte[] back = new byte[4];
            file.Read(1, back);
            Assert.Equal("bcde"u8, back);
            Assert.False(Path.Exists(path));
            output.Commit();
            Assert.Equal(path, output.Path);
        }

        Assert.Equal(["a.safetensors"], Entries(_temp.Path));
        Assert.Equal("abcdef"u8, File.ReadAllBytes(path));
    }

    [Fact]
    public void WithoutACommitNothingIsLeft()
    {
        string path = _temp["new", "parents", "out"];
        using (AtomicOutput output = AtomicOutput.CreateFolder(path, new()))
        {
            output.CreateFile("sub/model.safetensors", 5).Write(0, "hello"u8);
        }

        Assert.Empty(Entries(_temp.Path));
    }

    [Fact]
    public void AnExceptionOfTheWriterLeavesNothing()
    {
        Action writer = () =>
        {
            using AtomicOutput output = AtomicOutput.CreateSingle(_temp["x", "a.bin"], new());
            output.CreateFile("a.bin", 1);
            throw new InvalidTimeZoneException();
        };
        Assert.Throws<InvalidTimeZoneException>(writer);
        Assert.Empty(Entries(_temp.Path));
    }

    [Fact]
    public void MissingParentsAreMadeAndStay()
    {
        using (AtomicOutput output = AtomicOutput.CreateSingle(_temp["p", "q", "a.bin"], new()))
        {
            output.CreateFile("a.bin", 1).Write(0, "x"u8);
            output.Commit();
        }

        Assert.Equal(["p", "p/q", "p/q/a.bin"], AllBelow(_temp.Path));
    }

    [Fact]
    public void MissingParentsStayIfOthersUseThem()
    {
        using (AtomicOutput output = AtomicOutput.CreateSingle(_temp["p", "q", "a.bin"], new()))
        {
            File.WriteAllText(_temp["p", "theirs"], "x");
        }

        Assert.Equal(["p", "p/theirs"], AllBelow(_temp.Path));
    }

    [Fact]
    public void BytesThatWereNeverWrittenStopTheCommit()
    {
        using (AtomicOutput output = AtomicOutput.CreateSingle(_temp["a.bin"], new()))
        {
            output.CreateFile("a.bin", 10).Write(0, "123456789"u8);
            Assert.Throws<InvalidOperationException>(output.Commit);
        }

        Assert.Empty(Entries(_temp.Path));
    }

    [Fact]
    public void TheLeftoversOfAKilledWriterAreTakenOver()
    {
        Directory.CreateDirectory(_temp[".out.lorakit-partial", "sub"]);
        File.WriteAllText(_temp[".out.lorakit-partial", "sub", "old"], "old");
        File.WriteAllText(_temp[".out.lorakit-lock"], "");
        Commit(_temp["out"], new(), ("new", "new"));
        Assert.Equal(["out", "out/new"], AllBelow(_temp.Path));
    }

    [Fact]
    public void TheLeftoverFileOfAKilledWriterIsTakenOver()
    {
        File.WriteAllText(_temp[".a.bin.lorakit-partial"], "old, and longer than the new one");
        CommitSingle(_temp["a.bin"], new(), "new");
        Assert.Equal(["a.bin"], Entries(_temp.Path));
        Assert.Equal("new", File.ReadAllText(_temp["a.bin"]));
    }

    [Fact]
    public void ALinkInTheLeftoversIsNotFollowed()
    {
        Directory.CreateDirectory(_temp["precious"]);
        File.WriteAllText(_temp["precious", "file"], "keep");
        Directory.CreateDirectory(_temp["work", ".out.lorakit-partial"]);
        Directory.CreateSymbolicLink(_temp["work", ".out.lorakit-partial", "link"], _temp["precious"]);
        Commit(_temp["work", "out"], new(), ("a", "a"));
        Assert.Equal("keep", File.ReadAllText(_temp["precious", "file"]));

        Directory.CreateSymbolicLink(_temp["work", ".next.lorakit-partial"], _temp["precious"]);
        Commit(_temp["work", "next"], new(), ("a", "a"));
        Assert.Equal("keep", File.ReadAllText(_temp["precious", "file"]));
        Assert.Equal(["next", "out"], Entries(_temp["work"]));
    }

    [Fact]
    public void ALinkInPlaceOfTheLockIsRefused()
    {
        File.WriteAllText(_temp["precious"], "keep");
        File.CreateSymbolicLink(_temp[".out.lorakit-lock"], _temp["precious"]);
        Assert.Throws<OutputException>(() => AtomicOutput.CreateFolder(_temp["out"], new()));
        Assert.Equal("keep", File.ReadAllText(_temp["precious"]));
    }

    [Fact]
    public void AFolderThatWasBeingReplacedIsBroughtBack()
    {
        Directory.CreateDirectory(_temp[".out.lorakit-replaced"]);
        File.WriteAllText(_temp[".out.lorakit-replaced", "config.json"], "old");
        OutputException e = Assert.Throws<OutputException>(() => AtomicOutput.CreateFolder(_temp["out"], new()));
        Assert.Contains("exists already", e.Message);
        Assert.Equal("old", File.ReadAllText(_temp["out", "config.json"]));
        Assert.Equal(["out"], Entries(_temp.Path));
    }

    [Fact]
    public void ASecondWriterIsRefusedAndHarmsNothing()
    {
        using AtomicOutput first = AtomicOutput.CreateFolder(_temp["out"], new());
        OutputFile file = first.CreateFile("a", 1);
        OutputException e = Assert.Throws<OutputException>(() => AtomicOutput.CreateFolder(_temp["out"], new() { Overwrite = true }));
        Assert.Contains("another program", e.Message);
        Assert.Equal(_temp["out"], e.File);
        file.Write(0, "x"u8);
        first.Commit();
        Assert.Equal(["out", "out/a"], AllBelow(_temp.Path));
    }

    [Fact]
    public async Task OfManyWritersAtOnceOneWins()
    {
        int winners = 0;
        await Task.WhenAll(Enumerable.Range(0, 16).Select(i => Task.Run(() =>
        {
            try
            {
                using AtomicOutput output = AtomicOutput.CreateSingle(_temp["a"], new() { Flush = false });
                output.CreateFile("a", 4).Write(0, BitConverter.GetBytes(i));
                output.Commit();
                Interlocked.Increment(ref winners);
            }
            catch (OutputException)
            {
            }
        })));
        Assert.Equal(1, winners);
        Assert.Equal(["a"], Entries(_temp.Path));
        Assert.InRange(BitConverter.ToInt32(File.ReadAllBytes(_temp["a"])), 0, 15);
    }

    [Fact]
    public void AnOutputThatAppearedMeanwhileIsNotReplaced()
    {
        using (AtomicOutput output = AtomicOutput.CreateSingle(_temp["a"], new()))
        {
            output.CreateFile("a", 1).Write(0, "x"u8);
            File.WriteAllText(_temp["a"], "theirs");
            Assert.Throws<OutputException>(output.Commit);
        }

        Assert.Equal("theirs", File.ReadAllText(_temp["a"]));
        Assert.Equal(["a"], Entries(_temp.Path));
    }

    [Theory]
    [InlineData("../x")]
    [InlineData("a/../../x")]
    [InlineData("/tmp/x")]
    [InlineData(@"..\x")]
    [InlineData(@"C:\x")]
    [InlineData("C:x")]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("a//b")]
    [InlineData("a/")]
    [InlineData("a\0b")]
    [InlineData("a\nb")]
    [InlineData("x.")]
    public void NamesThatLeaveTheFolderAreRefused(string name)
    {
        using AtomicOutput output = AtomicOutput.CreateFolder(_temp["out"], new());
        Assert.Throws<OutputException>(() => output.CreateFile(name, 0));
    }

    [Fact]
    public void AFileIsMadeOnce()
    {
        using AtomicOutput output = AtomicOutput.CreateFolder(_temp["out"], new());
        output.CreateFile("a/b", 0);
        Assert.Throws<OutputException>(() => output.CreateFile("a/b", 0));
        Assert.Throws<OutputException>(() => output.CreateFile("./a/b", 0));
        Assert.Throws<OutputException>(() => output.CreateFile("a", 0)); // A folder of the output.
        Assert.Throws<OutputException>(() => output.CreateFile("a/b/c", 0)); // Below a file.
    }

    [Theory]
    [InlineData("ünïcode 模型 🤖")]
    [InlineData("with space")]
    [InlineData("-rf")]
    [InlineData("a'b\"c$(d)`e`")]
    [InlineData("line\nbreak")]
    [InlineData(@"back\slash")]
    public void OutputsWithOddNames(string name)
    {
        Commit(_temp[name], new(), ("ünïcode 模型 🤖.json", "x"));
        Assert.Equal([name], Entries(_temp.Path));
        Assert.Equal(["ünïcode 模型 🤖.json"], Entries(_temp[name]));
        Commit(_temp[name], new() { Overwrite = true }, ("ünïcode 模型 🤖.json", "y"));
        CommitSingle(_temp["folder", name], new(), "z");
        Assert.Equal([name], Entries(_temp["folder"]));
    }

    [Theory]
    [InlineData(255, true)]
    [InlineData(240, true)]
    [InlineData(256, false)]
    public void TheLongestNames(int length, bool fits)
    {
        string path = _temp[new string('n', length)];
        if (fits) CommitSingle(path, new(), "x");
        else Assert.Contains("too long", Assert.Throws<OutputException>(() => CommitSingle(path, new(), "x")).Message);
        Assert.Equal(fits ? [Path.GetFileName(path)] : [], Entries(_temp.Path));
    }

    [Fact]
    public void WritesOutsideTheFileAreRefused()
    {
        using AtomicOutput output = AtomicOutput.CreateFolder(_temp["out"], new());
        OutputFile file = output.CreateFile("a", 4);
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Write(2, "abc"u8));
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Write(-1, "a"u8));
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Write(long.MaxValue, "a"u8));
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Read(0, new byte[5]));
    }

    [Fact]
    public void AfterTheCommitNothingMoreIsWritten()
    {
        using AtomicOutput output = AtomicOutput.CreateFolder(_temp["out"], new());
        OutputFile file = output.CreateFile("a", 1);
        file.Write(0, "x"u8);
        output.Commit();
        Assert.Throws<ObjectDisposedException>(() => file.Write(0, "y"u8));
        Assert.Throws<ObjectDisposedException>(() => output.CreateFile("b", 0));
        Assert.Throws<ObjectDisposedException>(output.Commit);
        Assert.Equal("x", File.ReadAllText(_temp["out", "a"]));
    }

    [Fact]
    public async Task ManyThreadsWriteAtOnce()
    {
        const int parts = 64;
        const int size = 10_007;
        using (AtomicOutput output = AtomicOutput.CreateSingle(_temp["a"], new()))
        {
            OutputFile file = output.CreateFile("a", parts * size);
            await Task.WhenAll(Enumerable.Range(0, parts).Select(i => Task.Run(() =>
            {
                byte[] bytes = new byte[size];
                Array.Fill(bytes, (byte)(i + 1));
                file.Write((long)i * size, bytes);
            })));
            output.Commit();
        }

        byte[] all = File.ReadAllBytes(_temp["a"]);
        Assert.Equal(parts * size, all.Length);
        Assert.All(Enumerable.Range(0, parts), i => Assert.Equal(-1, all.AsSpan(i * size, size).IndexOfAnyExcept((byte)(i + 1))));
    }

    internal static void Commit(string path, AtomicOutputOptions options, params (string Name, string Text)[] files)
    {
        using AtomicOutput output = AtomicOutput.CreateFolder(path, options);
        foreach ((string name, string text) in files)
        {
            byte[] bytes = System.Text.Encoding.UTF8.GetBytes(text);
            output.CreateFile(name, bytes.Length).Write(0, bytes);
        }

        output.Commit();
    }

    internal static void CommitSingle(string path, AtomicOutputOptions options, string text)
    {
        using AtomicOutput output = AtomicOutput.CreateSingle(path, options);
        output.CreateFile(Path.GetFileName(path), text.Length).Write(0, System.Text.Encoding.UTF8.GetBytes(text));
        output.Commit();
    }

    internal static string[] Entries(string folder) => [.. Directory.GetFileSystemEntries(folder).Select(e => Path.GetFileName(e)!).Order(StringComparer.Ordinal)];

    internal static string[] AllBelow(string folder) =>
        [.. Directory.GetFileSystemEntries(folder, "*", SearchOption.AllDirectories).Select(e => Path.GetRelativePath(folder, e)).Order(StringComparer.Ordinal)];
}
