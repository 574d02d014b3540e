using LoraKit.Tool.Render;

namespace LoraKit.Tool.Tests.Render;

public sealed class WordsTests
{
    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(999, "999 B")]
    [InlineData(1_000, "1.0 kB")]
    [InlineData(80_200_000, "80.2 MB")]
    [InlineData(999_960, "1.0 MB")]
    [InlineData(2.2e9, "2.2 GB")]
    [InlineData(5e18, "5000.0 PB")]
    public void Bytes(double bytes, string expected) => Assert.Equal(expected, Words.Bytes(bytes));

    [Theory]
    [InlineData(1, "1 tensor")]
    [InlineData(0, "0 tensors")]
    [InlineData(1234567, "1,234,567 tensors")]
    public void Counts(long count, string expected) => Assert.Equal(expected, Words.Count(count, "tensor"));

    [Theory]
    [InlineData(0.0, "0")]
    [InlineData(-0.70711, "-0.7071")]
    [InlineData(12345.0, "12345")]
    [InlineData(0.001, "0.001")]
    [InlineData(0.0000316, "3.16e-5")]
    [InlineData(-2e20, "-2e+20")]
    [InlineData(null, "–")]
    public void Numbers(double? number, string expected) => Assert.Equal(expected, Words.Number(number));

    [Theory]
    [InlineData(0.84, "0.8 s")]
    [InlineData(125, "2 min 05 s")]
    public void Durations(double seconds, string expected) => Assert.Equal(expected, Words.Duration(TimeSpan.FromSeconds(seconds)));
}
