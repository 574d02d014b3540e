using LoraKit.Ops;
using LoraKit.Tool.Options;

namespace LoraKit.Tool.Tests.Options;

public sealed class AdapterArgumentTests
{
    [Theory]
    [InlineData("./a", "./a", 1)]
    [InlineData("./a@0.7", "./a", 0.7)]
    [InlineData("./b@-0.5", "./b", -0.5)]
    [InlineData("a@+2", "a", 2)]
    [InlineData("a@1e-3", "a", 1e-3)]
    [InlineData("a@.5", "a", 0.5)]
    [InlineData("a@0", "a", 0)]
    [InlineData("a@1@2", "a@1", 2)]
    [InlineData("org/name@main", "org/name@main", 1)]
    [InlineData("a@", "a@", 1)]
    [InlineData("a@nan", "a@nan", 1)]
    [InlineData("a@-Infinity", "a@-Infinity", 1)]
    [InlineData("a@1.2.3", "a@1.2.3", 1)]
    [InlineData("a@0.5 ", "a@0.5 ", 1)]
    [InlineData("a@1,5", "a@1,5", 1)]
    [InlineData("user@host/a", "user@host/a", 1)]
    [InlineData("@a", "@a", 1)]
    public void Reads(string text, string path, double weight)
    {
        Assert.True(AdapterArgument.TryParse(text, out AdapterInput? adapter, out _));
        Assert.Equal(new AdapterInput(path, weight), adapter);
    }

    [Theory]
    [InlineData("")]
    [InlineData("@0.5")]
    public void RefusesNoPath(string text)
    {
        Assert.False(AdapterArgument.TryParse(text, out _, out string? error));
        Assert.Contains("names no adapter", error);
    }

    [Fact]
    public void RefusesAnEndlessWeight()
    {
        Assert.False(AdapterArgument.TryParse("a@1e999", out _, out string? error));
        Assert.Contains("finite", error);
    }
}
