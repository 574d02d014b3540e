using System.Text;
using LoraKit.Formats.Checkpoints;

namespace LoraKit.Formats.Tests.Checkpoints;

/// <summary>config.json is changed byte-exactly.</summary>
public sealed class ModelConfigTests
{
    [Theory]
    [InlineData("""{"vocab_size": 10}""", """{"vocab_size": 32064}""")]
    [InlineData("""{ "a" :1.50e+2,  "vocab_size"	:10 , "b": "\u00e9é" }""", """{ "a" :1.50e+2,  "vocab_size"	:32064 , "b": "\u00e9é" }""")]
    [InlineData("{\r\n\t\"vocab_size\": 10,\r\n\t\"x\": null\r\n}\r\n", "{\r\n\t\"vocab_size\": 32064,\r\n\t\"x\": null\r\n}\r\n")]
    [InlineData("""{"\u0076ocab_size": 10}""", """{"\u0076ocab_size": 32064}""")]
    [InlineData("""{"text_config": {"vocab_size": 10}}""", """{"text_config": {"vocab_size": 32064}}""")]
    [InlineData(
        """{"text_config": {"x": {"vocab_size": 1}, "vocab_size": 10}, "vocab_size": 10, "vision_config": {"vocab_size": 7}}""",
        """{"text_config": {"x": {"vocab_size": 1}, "vocab_size": 32064}, "vocab_size": 32064, "vision_config": {"vocab_size": 7}}""")]
    [InlineData("""{"vocab_size": 10, "text_config": {"hidden": 1}}""", """{"vocab_size": 32064, "text_config": {"hidden": 1}}""")]
    [InlineData("""{"text_config": null, "vocab_size": null}""", """{"text_config": null, "vocab_size": 32064}""")]
    [InlineData("""{"x": "vocab_size", "vocab_size": 10}""", """{"x": "vocab_size", "vocab_size": 32064}""")]
    [InlineData("""{"time_step_limit": [0.0, Infinity], "nan": NaN, "n": "NaN", "neg": -Infinity, "vocab_size": 10}""",
        """{"time_step_limit": [0.0, Infinity], "nan": NaN, "n": "NaN", "neg": -Infinity, "vocab_size": 32064}""")]
    [InlineData("\uFEFF{\"vocab_size\": 10}", "\uFEFF{\"vocab_size\": 32064}")]
    [InlineData("""{}""", """{"vocab_size": 32064}""")]
    [InlineData("""{"a": 1}""", """{"a": 1,"vocab_size": 32064}""")]
    [InlineData("""{"a": 1, "b": [1, {"vocab_size": 3}]}""", """{"a": 1, "b": [1, {"vocab_size": 3}], "vocab_size": 32064}""")]
    [InlineData("{\n  \"a\": 1,\n  \"b\": {\n    \"c\": 2\n  }\n}\n", "{\n  \"a\": 1,\n  \"b\": {\n    \"c\": 2\n  },\n  \"vocab_size\": 32064\n}\n")]
    [InlineData("{\n  \"a\": 1,\n  \"text_config\": {\n    \"c\": 2\n  }\n}\n", "{\n  \"a\": 1,\n  \"text_config\": {\n    \"c\": 2\n  },\n  \"vocab_size\": 32064\n}\n")]
    [InlineData("{\n  \"text_config\": {}\n}", "{\n  \"text_config\": {},\n  \"vocab_size\": 32064\n}")]
    public void OneSettingChangesAndNothingElse(string before, string after)
    {
        ModelConfig changed = Parse(before).With("vocab_size", "32064");
        Assert.Equal(after, Encoding.UTF8.GetString(changed.Bytes));
        Assert.Equal(after, Encoding.UTF8.GetString(changed.With("vocab_size", "32064").Bytes));
    }

    [Theory]
    [InlineData("""{"a": 1}""", """{"a": 1,"tie": false}""")]
    [InlineData("""{"tie": true, "text_config": {"tie": true}}""", """{"tie": false, "text_config": {"tie": false}}""")]
    [InlineData("""{"text_config": {"tie": true}}""", """{"text_config": {"tie": false},"tie": false}""")]
    [InlineData("""{"tie": true, "text_config": {}}""", """{"tie": false, "text_config": {"tie": false}}""")]
    [InlineData("{\n  \"text_config\": {\n    \"c\": [2]\n  },\n  \"a\": 1\n}\n", "{\n  \"text_config\": {\n    \"c\": [2],\n    \"tie\": false\n  },\n  \"a\": 1,\n  \"tie\": false\n}\n")]
    public void BothObjectsGetIt(string before, string after) =>
        Assert.Equal(after, Encoding.UTF8.GetString(Parse(before).WithInEach("tie", "false").Bytes));

    [Fact]
    public void TheOriginalStaysAsItWas()
    {
        ModelConfig config = Parse("""{"tie_word_embeddings": true}""");
        ModelConfig changed = config.With("tie_word_embeddings", "false");
        Assert.True(config.TiesWordEmbeddings);
        Assert.False(changed.TiesWordEmbeddings);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("[1]")]
    [InlineData("1, \"x\": 2")]
    [InlineData("abc")]
    public void OnlyAScalarCanBeSet(string value) => Assert.Throws<ArgumentException>(() => Parse("{}").With("a", value));

    [Theory]
    [InlineData("""{"tie_word_embeddings": true}""", true)]
    [InlineData("""{"text_config": {"tie_word_embeddings": false}}""", false)]
    [InlineData("""{"tie_word_embeddings": false, "text_config": {"tie_word_embeddings": true}}""", false)]
    [InlineData("""{"tie_word_embeddings": "yes"}""", null)]
    [InlineData("""{"tie_word_embeddings": null}""", null)]
    [InlineData("""{"text_config": [true]}""", null)]
    [InlineData("{}", null)]
    public void TiedEmbeddings(string json, bool? ties) => Assert.Equal(ties, Parse(json).TiesWordEmbeddings);

    [Theory]
    [InlineData("""{"model_type": "llama"}""", "llama")]
    [InlineData("""{"model_type": 3}""", null)]
    [InlineData("""{"model_type": null}""", null)]
    [InlineData("{}", null)]
    public void TheModelsType(string json, string? type) => Assert.Equal(type, Parse(json).ModelType);

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("{")]
    [InlineData("{} {}")]
    [InlineData("""{"a": 1, "a": 2}""")]
    [InlineData("""{"a": {"b": 1, "\u0062": 2}}""")]
    [InlineData("""{"a": 1,}""")]
    [InlineData("""{"a": NaNa}""")]
    [InlineData("""{NaN: 1}""")]
    [InlineData("""{"\ud800": 1}""")]
    [InlineData("""{"model_type": "\ud800"}""")]
    [InlineData("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n")]
    public void WhatIsNoConfiguration(string text)
    {
        InvalidFileException e = Assert.Throws<InvalidFileException>(() => Parse(text));
        Assert.Equal("config.json", e.File);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public void NestingWithoutEnd() => Assert.Throws<InvalidFileException>(() => Parse("""{"x": """ + new string('[', 1_000_000)));

    private static ModelConfig Parse(string json) => ModelConfig.Parse(Encoding.UTF8.GetBytes(json), "config.json");
}
