using LoraKit.Ops;
using LoraKit.Tool.Render.Progress;

namespace LoraKit.Tool.Tests.Render;

public sealed class LiveProgressTests
{
    private static readonly OpProgress Half = new(500, 1000, "model.layers.10.self_attn.q_proj.weight");

    [Theory]
    [InlineData(200, "500 B of 1.0 kB, 50 B/s, 10.0 s left  model.layers.10.self_attn.q_proj.weight")]
    [InlineData(56, "500 B of 1.0 kB, 50 B/s, 10.0 s left  …ttn.q_proj.weight")]
    [InlineData(45, "500 B of 1.0 kB, 50 B/s, 10.0 s left")]
    [InlineData(15, "500 B of 1.0 kB")]
    [InlineData(-1, "")]
    public void FitsTheWidth(int width, string expected)
    {
        string line = LiveProgress.Line(Half, TimeSpan.FromSeconds(10), width);
        Assert.True(line.Length <= Math.Max(width, 0));
        Assert.Equal(expected, line);
    }

    [Fact]
    public void ShowsNothingHidden() =>
        Assert.DoesNotContain('\u001b', LiveProgress.Line(Half with { Current = "\u001b[2J" }, TimeSpan.FromSeconds(1), 200));
}
