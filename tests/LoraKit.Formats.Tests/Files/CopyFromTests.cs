using LoraKit.Formats.Files;
using LoraKit.Tests;
using Microsoft.Win32.SafeHandles;

namespace LoraKit.Formats.Tests.Files;

public sealed class CopyFromTests : IDisposable
{
    private readonly TempFolder _temp = new();
    private readonly byte[] _bytes = new byte[3_000_001];

    public CopyFromTests()
    {
        new Random(7).NextBytes(_bytes);
        File.WriteAllBytes(_temp["source"], _bytes);
    }

    public void Dispose() => _temp.Dispose();

    [Theory]
    [InlineData(0, 0, 3_000_001)]
    [InlineData(1, 8, 2_999_999)]
    [InlineData(4096, 4096, 8192)]
    [InlineData(3_000_000, 17, 1)]
    [InlineData(5, 5, 0)]
    public void ARangeArrivesWhereItBelongs(int from, int to, int length)
    {
        using AtomicOutput output = AtomicOutput.CreateFolder(_temp["out"], new());
        OutputFile file = output.CreateFile("a", 3_000_020);
        using SafeFileHandle source = File.OpenHandle(_temp["source"]);
        file.CopyFrom(source, _temp["source"], from, to, length, default);
        byte[] all = new byte[3_000_020];
        file.Read(0, all);
        Assert.True(_bytes.AsSpan(from, length).SequenceEqual(all.AsSpan(to, length)));
        Assert.Equal(-1, all.AsSpan(0, to).IndexOfAnyExcept((byte)0));
        Assert.Equal(-1, all.AsSpan(to + length).IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public void ASourceThatTheKernelCannotCopyGoesThroughABuffer()
    {
        Assert.SkipUnless(File.Exists("/proc/version"), "no /proc here");
        byte[] expected = File.ReadAllBytes("/proc/version"); // Has no length of its own; copy_file_range gives nothing.
        using AtomicOutput output = AtomicOutput.CreateFolder(_temp["out"], new());
        OutputFile file = output.CreateFile("a", expected.Length);
        using SafeFileHandle source = File.OpenHandle("/proc/version");
        file.CopyFrom(source, "/proc/version", 0, 0, expected.Length, default);
        byte[] copied = new byte[expected.Length];
        file.Read(0, copied);
        Assert.Equal(expected, copied);
    }

    [Theory]
    [InlineData(0, 3_000_002)]
    [InlineData(3_000_001, 1)]
    [InlineData(9_000_000, 1)]
    public void ASourceThatEndsEarlyIsNamed(long from, int length)
    {
        using AtomicOutput output = AtomicOutput.CreateFolder(_temp["out"], new());
        OutputFile file = output.CreateFile("a", length);
        using SafeFileHandle source = File.OpenHandle(_temp["source"]);
        InvalidFileException e = Assert.Throws<InvalidFileException>(() => file.CopyFrom(source, _temp["source"], from, 0, length, default));
        Assert.Equal(_temp["source"], e.File);
        Assert.Contains("shorter", e.Message);
    }

    [Fact]
    public void ACancelledCopyStops()
    {
        using AtomicOutput output = AtomicOutput.CreateFolder(_temp["out"], new());
        OutputFile file = output.CreateFile("a", _bytes.Length);
        using SafeFileHandle source = File.OpenHandle(_temp["source"]);
        Assert.Throws<OperationCanceledException>(() => file.CopyFrom(source, _temp["source"], 0, 0, _bytes.Length, new CancellationToken(true)));
    }

    [Fact]
    public void ManyCopiesOfOneSourceAtOnce()
    {
        using AtomicOutput output = AtomicOutput.CreateFolder(_temp["out"], new() { Flush = false });
        const int part = 100_003;
        int parts = _bytes.Length / part;
        OutputFile file = output.CreateFile("a", (long)parts * part);
        using SafeFileHandle source = File.OpenHandle(_temp["source"]);
        Parallel.For(0, parts, i => file.CopyFrom(source, _temp["source"], (long)i * part, (long)(parts - 1 - i) * part, part, default));
        output.Commit();
        byte[] copied = File.ReadAllBytes(_temp["out", "a"]);
        Assert.All(Enumerable.Range(0, parts), i =>
            Assert.True(_bytes.AsSpan(i * part, part).SequenceEqual(copied.AsSpan((parts - 1 - i) * part, part))));
    }
}
