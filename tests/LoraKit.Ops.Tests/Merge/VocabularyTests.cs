using System.Text.Json.Nodes;
using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge;

/// <summary>A vocabulary of another size, grown or cut, tied or not: everything follows, or nothing happens.</summary>
public class VocabularyTests
{
    [Theory]
    // Base rows, and the adapter's tensors.
    [InlineData(10, new[] { "model.embed_tokens.weight", "lm_head.weight" }, "model.embed_tokens.weight=12", "lm_head.weight=12")]
    [InlineData(10, new[] { "model.embed_tokens.weight", "lm_head.weight" }, "model.embed_tokens.weight=9", "lm_head.weight=9")]
    [InlineData(10, new[] { "model.embed_tokens.weight", "lm_head.weight", "lm_head.bias" }, "model.embed_tokens.weight=12", "lm_head.weight=12", "lm_head.bias=12")]
    [InlineData(10, new[] { "model.embed_tokens.weight" }, "model.embed_tokens.weight=12")]
    [InlineData(10, new[] { "model.embed_tokens.weight" }, "model.embed_tokens.weight=12", "lm_head.weight=12")]
    [InlineData(10, new[] { "language_model.model.embed_tokens.weight" }, "model.language_model.embed_tokens.weight=12", "lm_head.weight=12")]
    public void EverythingFollows(int rows, string[] @base, params string[] saved)
    {
        using TempFolder temp = new();
        MergeOptions options = Options(temp, rows, @base, saved);
        Merging.Run(options);
        var merged = SafetensorsBytes.Read(temp["out", "model.safetensors"]);
        long words = long.Parse(saved[0].Split('=')[1]);
        Assert.All(merged.Values, t => Assert.Equal(words, t.Shape[0]));
        Assert.Equal(Math.Max(@base.Length, saved.Length), merged.Count);
        string head = @base[0].StartsWith("language_model.", StringComparison.Ordinal) ? "language_model.lm_head.weight" : "lm_head.weight";
        Assert.Equal(saved.Length > 1, merged.ContainsKey(head));
        JsonNode config = JsonNode.Parse(File.ReadAllText(temp["out", "config.json"]))!;
        Assert.Equal(words, (long)config["text_config"]!["vocab_size"]!);
        Assert.Equal(saved.Length > @base.Length ? false : null, (bool?)config["tie_word_embeddings"]);
        Assert.Equal(saved.Length > @base.Length ? false : null, (bool?)config["text_config"]!["tie_word_embeddings"]);
    }

    [Theory]
    [InlineData("lm_head.weight", new[] { "model.embed_tokens.weight", "lm_head.weight" }, "model.embed_tokens.weight=12")]
    [InlineData("lm_head.weight", new[] { "model.embed_tokens.weight", "lm_head.weight" }, "model.embed_tokens.weight=12", "lm_head.weight=13")]
    [InlineData("lm_head.bias", new[] { "model.embed_tokens.weight", "lm_head.weight", "lm_head.bias" }, "model.embed_tokens.weight=12", "lm_head.weight=12")]
    [InlineData("final_logits_bias", new[] { "model.shared.weight", "final_logits_bias" }, "model.shared.weight=12")]
    // A head of its own, and an embedding that stays as it was.
    [InlineData("model.embed_tokens.weight", new[] { "model.embed_tokens.weight" }, "lm_head.weight=12")]
    [InlineData("lm_head.weight", new[] { "model.embed_tokens.weight" }, "lm_head.weight=10", "model.embed_tokens.weight=12")]
    // No vocabulary.
    [InlineData("model.norm.weight", new[] { "model.norm.weight" }, "model.norm.weight=12")]
    public void WhatStaysBehindIsNamed(string behind, string[] @base, params string[] saved)
    {
        using TempFolder temp = new();
        TargetMismatchException error = Assert.Throws<TargetMismatchException>(() => Merging.Run(Options(temp, 10, @base, saved)));
        Assert.Contains(error.Misses, m => m.Contains(behind));
    }

    /// <summary>Said to be one, stored as two: a loader would take the embedding for both, and drop what the head has learnt.</summary>
    [Theory]
    [InlineData("lm_head", true, true)]
    [InlineData("lm_head", false, null)]
    [InlineData("model.embed_tokens", true, true)]
    [InlineData("model.embed_tokens", false, false)]
    public void TiedButStoredTwice(string updated, bool same, bool? unties)
    {
        using TempFolder temp = new();
        Random random = new(1);
        TestTensor embedding = Merging.Random("model.embed_tokens.weight", DType.F32, random, 10, 4);
        TestTensor head = same ? embedding with { Name = "lm_head.weight" } : Merging.Random("lm_head.weight", DType.F32, random, 10, 4);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], embedding, head);
        File.WriteAllText(temp["base", "config.json"], """{"tie_word_embeddings": true}""");
        PeftFolder adapter = new(temp["adapter"], 1, 1);
        adapter.Linear(updated, 10, 4, random);
        adapter.Save();
        MergeOptions options = Merging.Options(temp["base"], adapter.Path, temp["out"]);
        if (unties is null)
        {
            Assert.Contains("ties it", Assert.Throws<TargetMismatchException>(() => Merging.Run(options)).Message);
            return;
        }

        Merging.Run(options);
        Assert.Equal(!unties, (bool?)JsonNode.Parse(File.ReadAllText(temp["out", "config.json"]))!["tie_word_embeddings"]);
        var merged = SafetensorsBytes.Read(temp["out", "model.safetensors"]);
        Assert.Equal(updated != "lm_head", head.Values.SequenceEqual(merged["lm_head.weight"].Values));
        Assert.Equal(updated == "lm_head", embedding.Values.SequenceEqual(merged["model.embed_tokens.weight"].Values));
    }

    private static MergeOptions Options(TempFolder temp, int rows, string[] @base, string[] saved)
    {
        Random random = new(1);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], [.. @base.Select(n => Merging.Random(n, DType.F32, random, Shape(n, rows)))]);
        File.WriteAllText(temp["base", "config.json"], $$$"""{"text_config": {"vocab_size": {{{rows}}} }}""");
        PeftFolder adapter = new(temp["adapter"], 1, 1);
        foreach (string[] tensor in saved.Select(s => s.Split('=')))
        {
            TestTensor values = Merging.Random(tensor[0], DType.F32, random, Shape(tensor[0], int.Parse(tensor[1])));
            adapter.Add($"base_model.model.{values.Name}", DType.F32, values.Shape, values.Values);
        }

        adapter.Config["modules_to_save"] = new JsonArray([.. saved.Select(s => (JsonNode)s.Split('=')[0][..^".weight".Length])]);
        if (saved.Any(s => s.Contains(".bias="))) adapter.Config["modules_to_save"] = new JsonArray("lm_head", "embed_tokens");
        adapter.Save();
        return Merging.Options(temp["base"], adapter.Path, temp["out"]);
    }

    private static long[] Shape(string name, int rows) => name switch
    {
        "final_logits_bias" => [1, rows],
        _ when name.EndsWith("bias", StringComparison.Ordinal) || name.Contains("norm") => [rows],
        _ => [rows, 4],
    };
}
