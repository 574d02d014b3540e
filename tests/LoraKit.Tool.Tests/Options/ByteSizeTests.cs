using LoraKit.Tool.Options;

namespace LoraKit.Tool.Tests.Options;

public sealed class ByteSizeTests
{
    [Theory]
    [InlineData("1", 1)]
    [InlineData("4096", 4096)]
    [InlineData("20MB", 20_000_000)]
    [InlineData("1.5GiB", 1_610_612_736)]
    [InlineData("1kB", 1_000)]
    [InlineData("1KiB", 1_024)]
    [InlineData("0.5 mib", 524_288)]
    [InlineData(" 7 b ", 7)]
    [InlineData("2TB", 2_000_000_000_000)]
    [InlineData("3TiB", 3_298_534_883_328)]
    [InlineData("9223372036854775807", long.MaxValue)]
    [InlineData("1.0005kB", 1_000)]
    public void Reads(string text, long expected)
    {
        Assert.True(ByteSize.TryParse(text, out long bytes, out _));
        Assert.Equal(expected, bytes);
    }

    [Theory]
    [InlineData("")]
    [InlineData("MB")]
    [InlineData("20M")]
    [InlineData("-1MB")]
    [InlineData("+1MB")]
    [InlineData("1,5GB")]
    [InlineData("1e3")]
    [InlineData("NaN")]
    [InlineData("0x10")]
    [InlineData("1GBps")]
    public void RefusesWhatIsNoSize(string text)
    {
        Assert.False(ByteSize.TryParse(text, out _, out string? error));
        Assert.Contains($"'{text}' is no size", error);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("0.4B")]
    [InlineData("0.0GB")]
    public void RefusesNothing(string text)
    {
        Assert.False(ByteSize.TryParse(text, out _, out string? error));
        Assert.Contains("less than one byte", error);
    }

    [Theory]
    [InlineData("9223372036854775808")]
    [InlineData("10000000TiB")]
    public void RefusesTooMuch(string text)
    {
        Assert.False(ByteSize.TryParse(text, out _, out string? error));
        Assert.Contains("too large", error);
    }
}
