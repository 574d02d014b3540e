using LoraKit.Formats.Files;

namespace LoraKit.Formats.Tests.Files;

public sealed class PrintableTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("model.layers.0.weight", "model.layers.0.weight")]
    [InlineData("größe 模型 😀", "größe 模型 😀")]
    [InlineData(@"C:\models\a", @"C:\models\a")]
    [InlineData("\u001b[2J", "\\u{001b}[2J")]
    [InlineData("\u009b2J", "\\u{009b}2J")]
    [InlineData("a\nb\rc\td\0e\u007f", "a\\u{000a}b\\u{000d}c\\u{0009}d\\u{0000}e\\u{007f}")]
    [InlineData("a\u202eb\u2066c\u200fd", "a\\u{202e}b\\u{2066}c\\u{200f}d")]
    [InlineData("\u200b\ufeff\u00ad", "\\u{200b}\\u{feff}\\u{00ad}")]
    [InlineData("\u2028\u2029\u00a0\u3000", "\\u{2028}\\u{2029}\\u{00a0}\\u{3000}")]
    [InlineData("\ue000\U000e0041", "\\u{e000}\\u{e0041}")]
    public void Only_what_is_safe_on_a_line_stays(string text, string shown) => Assert.Equal(shown, Printable.Text(text));

    // Not as inline data: lone surrogates do not survive the way to the runner.
    [Fact]
    public void Lone_surrogates_are_escaped() => Assert.Equal("a\\u{d800}b\\u{dc00}", Printable.Text("a\ud800b\udc00"));

    [Fact]
    public void A_long_text_is_cut_and_counted()
    {
        Assert.Equal(new string('a', 200), Printable.Text(new string('a', 200)));
        Assert.Equal(new string('a', 200) + "… (201 characters)", Printable.Text(new string('a', 201)));
    }

    [Fact]
    public void A_pair_is_not_cut_in_two() => Assert.Equal("a… (3 characters)", Printable.Text("a😀", 2));
}
