using System.Text.Json.Nodes;
using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge;

/// <summary>Adapters that meet in one tensor: replacements first, whoever brings them, then the sum of all updates.</summary>
public class SeveralAdaptersTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void AnUpdateMeetsTheReplacementOfAnother(bool replacementFirst)
    {
        using TempFolder temp = new();
        Random random = new(1);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], Merging.Random("a.weight", DType.F32, random, 3, 4), Merging.Random("a.bias", DType.F32, random, 3));
        PeftFolder update = new(temp["update"], 1, 2);
        (double[] a, double[] b) = update.Linear("a", 3, 4, random);
        update.Add("base_model.model.a.lora_B.bias", DType.F32, [3], [1, 2, 3]);
        update.Config["lora_bias"] = true;
        update.Save();
        double[] values = PeftFolder.Values(random, 12, DType.F32), bias = PeftFolder.Values(random, 3, DType.F32);
        PeftFolder replacement = Saved(temp["replacement"], "a", [3, 4], values);
        replacement.Add("base_model.model.a.bias", DType.F32, [3], bias);
        replacement.Save();
        AdapterInputs(temp, replacementFirst, out var options);
        Merging.Run(options);
        var merged = SafetensorsBytes.Read(temp["out", "model.safetensors"]);
        Merging.AssertClose(
            [.. values.Select((v, i) => v + (2 * b[i / 4] * a[i % 4]))], [.. values.Select(_ => 3.0)], merged["a.weight"].Values, DType.F32, 1);
        Merging.AssertClose([.. bias.Select((v, i) => v + (2 * (i + 1)))], [.. bias.Select(_ => 7.0)], merged["a.bias"].Values, DType.F32, 1);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void AnUpdateOfATiedHeadGoesToTheHeadOfAnother(bool replacementFirst)
    {
        using TempFolder temp = new();
        Random random = new(1);
        TestTensor embedding = Merging.Random("model.embed_tokens.weight", DType.F32, random, 3, 4);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], embedding);
        PeftFolder update = new(temp["update"], 1, 2);
        (double[] a, double[] b) = update.Linear("lm_head", 3, 4, random);
        update.Save();
        double[] values = PeftFolder.Values(random, 12, DType.F32);
        Saved(temp["replacement"], "lm_head", [3, 4], values).Save();
        AdapterInputs(temp, replacementFirst, out var options);
        Merging.Run(options);
        var merged = SafetensorsBytes.Read(temp["out", "model.safetensors"]);
        Assert.Equal(embedding.Values, merged["model.embed_tokens.weight"].Values);
        Merging.AssertClose(
            [.. values.Select((v, i) => v + (2 * b[i / 4] * a[i % 4]))], [.. values.Select(_ => 3.0)], merged["lm_head.weight"].Values, DType.F32, 1);
    }

    /// <summary>Factors made for the old vocabulary do not fit the new one, whichever is named first.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void AnUpdateOfTheOldVocabularyDoesNotFitTheNew(bool replacementFirst)
    {
        using TempFolder temp = new();
        Random random = new(1);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], Merging.Random("embed_tokens.weight", DType.F32, random, 3, 4));
        PeftFolder update = new(temp["update"], 1, 2);
        update.Add("base_model.model.embed_tokens.lora_embedding_A", DType.F32, [1, 3], [1, 2, 3]);
        update.Add("base_model.model.embed_tokens.lora_embedding_B", DType.F32, [4, 1], [1, 2, 3, 4]);
        update.Save();
        Saved(temp["replacement"], "embed_tokens", [5, 4], PeftFolder.Values(random, 20, DType.F32)).Save();
        AdapterInputs(temp, replacementFirst, out var options);
        Assert.Contains("[5, 4]", Assert.Throws<TargetMismatchException>(() => Merging.Run(options)).Message);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void RowsAndTheWholeOfOneTensorClash(bool replacementFirst)
    {
        using TempFolder temp = new();
        Random random = new(1);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], Merging.Random("embed_tokens.weight", DType.F32, random, 3, 4));
        PeftFolder rows = new(temp["update"], 1, 2);
        rows.Add("base_model.model.embed_tokens.token_adapter.trainable_tokens_delta", DType.F32, [1, 4], [1, 2, 3, 4]);
        rows.Config["trainable_token_indices"] = new JsonArray(1);
        rows.Save();
        Saved(temp["replacement"], "embed_tokens", [3, 4], PeftFolder.Values(random, 12, DType.F32)).Save();
        AdapterInputs(temp, replacementFirst, out var options);
        Assert.Contains("replaces", Assert.Throws<TargetMismatchException>(() => Merging.Run(options)).Message);
    }

    [Fact]
    public void OneAdapterTwiceIsAddedTwice()
    {
        using TempFolder temp = new();
        Random random = new(1);
        TestTensor weight = Merging.Random("a.weight", DType.F32, random, 3, 4);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], weight);
        PeftFolder update = new(temp["update"], 1, 2);
        (double[] a, double[] b) = update.Linear("a", 3, 4, random);
        update.Save();
        Merging.Run(Merging.Options(temp["base"], update.Path, temp["out"]) with { Adapters = [new(update.Path, 0.5), new(update.Path, -2)] });
        Merging.AssertClose(
            [.. weight.Values.Select((v, i) => v - (3 * b[i / 4] * a[i % 4]))], [.. weight.Values.Select(_ => 6.0)],
            SafetensorsBytes.Read(temp["out", "model.safetensors"])["a.weight"].Values, DType.F32, 2);
    }

    private static PeftFolder Saved(string folder, string module, long[] shape, double[] values)
    {
        PeftFolder adapter = new(folder, 1, 1);
        adapter.Add($"base_model.model.{module}.weight", DType.F32, shape, values);
        adapter.Config["modules_to_save"] = new JsonArray(module);
        return adapter;
    }

    private static void AdapterInputs(TempFolder temp, bool replacementFirst, out Ops.Merge.MergeOptions options)
    {
        string[] names = replacementFirst ? ["replacement", "update"] : ["update", "replacement"];
        options = Merging.Options(temp["base"], "", temp["out"]) with { Adapters = [.. names.Select(n => new AdapterInput(temp[n]))] };
    }
}
