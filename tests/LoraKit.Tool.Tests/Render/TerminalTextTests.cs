using System.Text.Json;
using LoraKit.Tool.Render;

namespace LoraKit.Tool.Tests.Render;

public sealed class TerminalTextTests
{
    [Theory]
    [InlineData("model.layers.0", "model.layers.0")]
    [InlineData("größe/模型/🎛", "größe/模型/🎛")]
    [InlineData("\u001b[31mred", "\\u001b[31mred")]
    [InlineData("a\nb\r\tc\0", "a\\u000ab\\u000d\\u0009c\\u0000")]
    [InlineData("\u009b2J", "\\u009b2J")]
    [InlineData("\u202Eabc\u2066", "\\u202eabc\\u2066")]
    [InlineData("a\u200Bb\uFEFF", "a\\u200bb\\ufeff")]
    [InlineData("\u2028\u2029", "\\u2028\\u2029")]
    public void ShowsWhatIsHidden(string text, string expected) => Assert.Equal(expected, TerminalText.Escape(text));

    [Fact]
    public void HalfACharacterIsShownByItsCode() => Assert.Equal("a\\ud83d!", TerminalText.Escape("a\ud83d!"));

    [Fact]
    public void JsonMeansTheSameAfterEscaping()
    {
        const string Json = "{\"a\u202Eb\":\"\u200B\u2028x\"}";
        string escaped = TerminalText.EscapeJson(Json);
        Assert.Equal("{\"a\\u202eb\":\"\\u200b\\u2028x\"}", escaped);
        Assert.True(JsonElement.DeepEquals(JsonDocument.Parse(Json).RootElement, JsonDocument.Parse(escaped).RootElement));
    }
}
