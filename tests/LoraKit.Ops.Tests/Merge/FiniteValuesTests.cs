using System.Text.Json.Nodes;
using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Tests.Conversion;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge;

/// <summary>NaN and infinity in anything that an adapter brings stop the merge, with the file and the tensor.</summary>
public sealed class FiniteValuesTests : IDisposable
{
    private readonly TempFolder _temp = new();
    private readonly Random _random = new(1);

    public FiniteValuesTests() => SafetensorsBytes.Write(
        _temp["base", "model.safetensors"],
        Merging.Random("a.weight", DType.BF16, _random, 6, 4), Merging.Random("a.bias", DType.BF16, _random, 6),
        Merging.Random("score.weight", DType.BF16, _random, 3, 4), Merging.Random("embed_tokens.weight", DType.BF16, _random, 8, 4));

    public void Dispose() => _temp.Dispose();

    [Theory]
    [InlineData(DType.F32, double.NaN, 1)]
    [InlineData(DType.F16, double.PositiveInfinity, 1)]
    [InlineData(DType.BF16, double.NegativeInfinity, 1)]
    [InlineData(DType.F64, double.NaN, 1)]
    [InlineData(DType.F32, double.NaN, 0.5)]
    public void InAReplacedModule(DType dtype, double value, double weight)
    {
        PeftFolder adapter = new(_temp["adapter"], 2, 2);
        adapter.Add("base_model.model.score.weight", dtype, [3, 4], [.. Enumerable.Repeat(1.0, 7), value, 1, 1, 1, 1]);
        adapter.Config["modules_to_save"] = new JsonArray("score");
        AssertStops(adapter, "base_model.model.score.weight", "element 7", weight);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(0.5)]
    public void InATokenRow(double weight)
    {
        PeftFolder adapter = new(_temp["adapter"], 2, 2);
        const string name = "base_model.model.embed_tokens.token_adapter.trainable_tokens_delta";
        adapter.Add(name, DType.F32, [2, 4], [1, 1, 1, 1, 1, double.NaN, 1, 1]);
        adapter.Config["trainable_token_indices"] = new JsonArray(2, 6);
        AssertStops(adapter, name, "element 5", weight);
    }

    [Fact]
    public void InATrainedBias()
    {
        PeftFolder adapter = new(_temp["adapter"], 2, 2);
        adapter.Linear("a", 6, 4, _random);
        adapter.Add("base_model.model.a.bias", DType.F32, [6], [1, 1, double.NaN, 1, 1, 1]);
        adapter.Config["bias"] = "lora_only";
        AssertStops(adapter, "base_model.model.a.bias", "element 2");
    }

    [Fact]
    public void FactorsBeyondTheSumsRange()
    {
        PeftFolder adapter = new(_temp["adapter"], 2, 2);
        adapter.Add("base_model.model.a.lora_A.weight", DType.F64, [2, 4], [1, 1, 1, 1e300, 1, 1, 1, 1]);
        adapter.Add("base_model.model.a.lora_B.weight", DType.F64, [6, 2], PeftFolder.Values(_random, 12, DType.F64));
        AssertStops(adapter, "base_model.model.a.lora_A.weight", "1E+300 at element 3, which is beyond the range of F32");
    }

    [Theory]
    [InlineData(1e300, 1)]
    [InlineData(2, 1e300)]
    public void ScalesBeyondTheSumsRange(double alpha, double weight)
    {
        PeftFolder adapter = new(_temp["adapter"], 2, alpha);
        adapter.Linear("a", 6, 4, _random);
        AssertStops(adapter, "base_model.model.a.lora_B.weight", "beyond the range of F32", weight);
    }

    /// <summary>Of a kind that is no product: its sums are made in F64, and go beyond that.</summary>
    [Fact]
    public void ScalesBeyondF64()
    {
        Converting.WriteLoha(_temp["adapter"], 1e308, 1, ("a", 6, 4));
        NonFiniteException error = Assert.Throws<NonFiniteException>(() => Merging.Run(
            Merging.Options(_temp["base"], _temp["adapter"], _temp["out"]) with { Adapters = [new(_temp["adapter"], 1e300)] }));
        Assert.Equal("a.weight", error.Tensor);
        Assert.Contains("beyond the range of F64", error.Message);
        Assert.False(Path.Exists(_temp["out"]));
    }

    [Fact]
    public void TheBasesOwnAreTakenAsTheyAre()
    {
        SafetensorsBytes.Write(
            _temp["base", "model.safetensors"], new TestTensor("a.weight", DType.F32, [6, 4], [.. Enumerable.Repeat(double.NegativeInfinity, 24)]));
        PeftFolder adapter = new(_temp["adapter"], 2, 2);
        adapter.Linear("a", 6, 4, _random);
        Merging.Run(Merging.Options(_temp["base"], adapter.Save(), _temp["out"]));
        Assert.True(File.Exists(_temp["out", "model.safetensors"]));
    }

    private void AssertStops(PeftFolder adapter, string tensor, string where, double weight = 1)
    {
        string path = adapter.Save();
        NonFiniteException error = Assert.Throws<NonFiniteException>(() => Merging.Run(
            Merging.Options(_temp["base"], path, _temp["out"]) with { Adapters = [new(path, weight)] }));
        Assert.Equal(tensor, error.Tensor);
        Assert.EndsWith("adapter_model.safetensors", error.File);
        Assert.Contains(where, error.Message);
        Assert.False(Path.Exists(_temp["out"]));
        Assert.Equal(2, Directory.GetFileSystemEntries(_temp.Path).Length);
    }
}
