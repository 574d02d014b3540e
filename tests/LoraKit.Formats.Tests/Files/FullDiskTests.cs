using System.Diagnostics;
using LoraKit.Formats.Files;
using LoraKit.Tests;
using static LoraKit.Formats.Tests.Files.AtomicOutputTests;

namespace LoraKit.Formats.Tests.Files;

/// <summary>A disk of one megabyte, where this user may mount one.</summary>
public sealed class FullDiskTests : IDisposable
{
    private readonly TempFolder _temp = new();
    private readonly string _disk;
    private readonly bool _mounted;

    public FullDiskTests()
    {
        _disk = _temp["disk"];
        Directory.CreateDirectory(_disk);
        _mounted = OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess && Execute("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", _disk);
    }

    public void Dispose()
    {
        if (_mounted) Execute("umount", _disk);
        _temp.Dispose();
    }

    [Fact]
    public void TooLargeAFileIsRefusedWhenItIsMade()
    {
        Assert.SkipUnless(_mounted, "cannot mount a small disk here");
        using (AtomicOutput output = AtomicOutput.CreateFolder(Path.Combine(_disk, "p", "out"), new()))
        {
            output.CreateFile("config.json", 2).Write(0, "{}"u8);
            OutputException e = Assert.Throws<OutputException>(() => output.CreateFile("model.safetensors", 2 << 20));
            Assert.Contains("disk is full", e.Message);
            Assert.Contains("2097152 bytes", e.Message);
            Assert.Equal(Path.Combine(_disk, "p", "out", "model.safetensors"), e.File);
        }

        Assert.Empty(Entries(_disk));
    }

    [Fact]
    public void TheOldOutputSurvivesAFullDisk()
    {
        Assert.SkipUnless(_mounted, "cannot mount a small disk here");
        string path = Path.Combine(_disk, "a.safetensors");
        File.WriteAllText(path, "old");
        using (AtomicOutput output = AtomicOutput.CreateSingle(path, new() { Overwrite = true }))
        {
            Assert.Throws<OutputException>(() => output.CreateFile("a.safetensors", 2 << 20));
        }

        Assert.Equal("old", File.ReadAllText(path));
        Assert.Equal(["a.safetensors"], Entries(_disk));
    }

    [Fact]
    public void ADiskWithoutRoomForAnotherName()
    {
        Assert.SkipUnless(_mounted, "cannot mount a small disk here");
        Execute("mount", "-o", "remount,nr_inodes=2", _disk); // The root and one more.
        OutputException e = Assert.Throws<OutputException>(() => Commit(Path.Combine(_disk, "out"), new(), ("a", "x")));
        Assert.Contains("disk is full", e.Message);
        Assert.Empty(Entries(_disk));
    }

    [Fact]
    public void AReadOnlyDisk()
    {
        Assert.SkipUnless(_mounted, "cannot mount a small disk here");
        Execute("mount", "-o", "remount,ro", _disk);
        Assert.Contains("read-only", Assert.Throws<OutputException>(() => AtomicOutput.CreateFolder(Path.Combine(_disk, "out"), new())).Message);
        Assert.Contains("read-only", Assert.Throws<OutputException>(() => AtomicOutput.CreateFolder(Path.Combine(_disk, "p", "out"), new())).Message);
    }

    [Fact]
    public void BetweenDisksACopyGoesThroughABuffer()
    {
        Assert.SkipUnless(_mounted, "cannot mount a small disk here");
        byte[] bytes = new byte[300_000];
        new Random(1).NextBytes(bytes);
        File.WriteAllBytes(_temp["source"], bytes);
        using (AtomicOutput output = AtomicOutput.CreateFolder(Path.Combine(_disk, "out"), new()))
        using (Microsoft.Win32.SafeHandles.SafeFileHandle source = File.OpenHandle(_temp["source"]))
        {
            output.CreateFile("a", bytes.Length).CopyFrom(source, _temp["source"], 0, 0, bytes.Length, default);
            output.Commit();
        }

        Assert.Equal(bytes, File.ReadAllBytes(Path.Combine(_disk, "out", "a")));
    }

    [Fact]
    public void AMountPointIsNotReplaced()
    {
        Assert.SkipUnless(_mounted, "cannot mount a small disk here");
        OutputException e = Assert.Throws<OutputException>(() => Commit(_disk, new() { Overwrite = true }, ("a", "x")));
        Assert.Equal(_disk, e.File);
        Assert.Equal(["disk"], Entries(_temp.Path));
        Assert.Empty(Entries(_disk));
    }

    [Fact]
    public void AnImpossibleLength()
    {
        using (AtomicOutput output = AtomicOutput.CreateSingle(_temp["a"], new()))
        {
            Assert.Throws<OutputException>(() => output.CreateFile("a", long.MaxValue));
        }

        Assert.Equal(["disk"], Entries(_temp.Path));
    }

    private static bool Execute(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
