using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Ops.Conversion;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Conversion;

/// <summary>Names that the user changes: exactly or by number, each once, none in vain.</summary>
public class RenameMapTests
{
    [Theory]
    [InlineData("""{"a.0.b": "c"}""", "c", "a.1.b", "a.12.b_3")]
    [InlineData("""{"a.#.b": "x.#.y", "a.12.b_3": "a.12.b_4"}""", "x.0.y", "x.1.y", "a.12.b_4")]
    [InlineData("""{"a.#.b_#": "b_#.a.#"}""", "a.0.b", "a.1.b", "b_12.a.3")]
    [InlineData("""{"a.0.b": "a.1.b", "a.1.b": "a.0.b"}""", "a.1.b", "a.0.b", "a.12.b_3")]
    [InlineData("""{"a.1#.b_3": "z#"}""", null, null, null)]
    [InlineData("{}", "a.0.b", "a.1.b", "a.12.b_3")]
    public void NamesAreChanged(string json, string? first, string? second, string? third)
    {
        using TempFolder folder = new();
        RenameMap map = Map(folder, json);
        ModuleName[] modules = [new("a.0.b"), new("a.1.b"), new("a.12.b_3")];
        // A # is a whole number, not the rest of one.
        if (first is null) Assert.Throws<InvalidFileException>(() => map.Of(modules));
        else Assert.Equal([first, second, third], modules.Select(module => map.Of(modules).GetValueOrDefault(module, module).Path));
    }

    [Theory]
    [InlineData("""{"nowhere": "x", "a.0.b": "c", "n#": "m#"}""", "2 of its names are no module of the result: 'nowhere', 'n#'")]
    [InlineData("""{"a.0.b": "a.1.b"}""", "'a.0.b', 'a.1.b' would all be 'a.1.b'")]
    [InlineData("""{"a.0.b": "x", "a.1.b": "x"}""", "would all be 'x'")]
    [InlineData("""{"a.#.b": "x.#", "a.0.b": "y"}""", "'a.0.b' is both 'a.#.b' and 'a.0.b'")]
    public void LeftoversAndCollisionsAreNamed(string json, string expected)
    {
        using TempFolder folder = new();
        RenameMap map = Map(folder, json);
        InvalidFileException error = Assert.Throws<InvalidFileException>(() => map.Of([new("a.0.b"), new("a.1.b")]));
        Assert.Contains(expected, error.Message);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("""{"a": 5}""")]
    [InlineData("""{"a": null}""")]
    [InlineData("""{"a": {"b": "c"}}""")]
    [InlineData("""{"a": ""}""")]
    [InlineData("""{"": "a"}""")]
    [InlineData("""{"a#": "b"}""")]
    [InlineData("""{"a": "b#"}""")]
    [InlineData("""{"a": "b", "a": "c"}""")]
    [InlineData("""{"a": "\ud800"}""")]
    [InlineData("""{"\ud800": "a"}""")]
    [InlineData("""{"a": "b",}""")]
    [InlineData("""{"a\u001b[2J": 1}""")]
    public void WhatIsNoMapIsRefused(string json)
    {
        using TempFolder folder = new();
        InvalidFileException error = Assert.Throws<InvalidFileException>(() => Map(folder, json));
        Assert.StartsWith(folder["map.json"], error.Message);
        Assert.DoesNotContain(error.Message, char.IsControl);
    }

    [Fact]
    public void DeepOrManyEntriesDoNotHurt()
    {
        using TempFolder folder = new();
        Assert.Throws<InvalidFileException>(() => Map(folder, string.Concat(Enumerable.Repeat("""{"a":""", 100_000))));
        // Alike but for their numbers: found by what they have in common, compared one by one.
        RenameMap map = Map(folder, "{" + string.Join(',', Enumerable.Range(0, 20_000).Select(i => $"\"a.{i}.b\": \"c.{i}\"")) + "}");
        Assert.Equal(20_000, map.Of([.. Enumerable.Range(0, 20_000).Select(i => new ModuleName($"a.{i}.b"))]).Count);
    }

    [Theory]
    [InlineData("kohya", """{"lora_unet_double_blocks_#_img_mlp_0": "lora_unet_other_#"}""", "lora_unet_other_1.lora_up.weight")]
    [InlineData("diffusers", """{"transformer.transformer_blocks.#.attn.to_q": "transformer.x.#"}""", "transformer.x.0.lora_B.weight")]
    public void TheResultHasThem(string layout, string json, string tensor)
    {
        using TempFolder folder = new();
        File.WriteAllText(folder["map.json"], json);
        ConvertReport report = Converting.Run(Converting.Options(FluxSample.Of().Save(folder["a.safetensors"]), folder["b.safetensors"]) with { Layout = layout, Architecture = "flux1", Rename = folder["map.json"] });
        Assert.Contains(tensor, SafetensorsBytes.Read(folder["b.safetensors"]).Keys);
        Assert.Contains(report.Written, module => tensor.StartsWith(module.Name + ".", StringComparison.Ordinal) && module.From is [var from] && from.StartsWith("lora_unet_double_blocks_", StringComparison.Ordinal));
    }

    private static RenameMap Map(TempFolder folder, string json)
    {
        File.WriteAllText(folder["map.json"], json);
        return new RenameMap(folder["map.json"]);
    }
}
