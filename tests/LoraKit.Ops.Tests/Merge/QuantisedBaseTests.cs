using System.Text.Json.Nodes;
using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge;

/// <summary>Weights that are no plain numbers are neither updated nor replaced, and the message says what they are.</summary>
public class QuantisedBaseTests
{
    [Theory]
    // FP8 with its scales, bitsandbytes' packed and 8-bit weights, and packed weights under other names.
    [InlineData(false, "a.weight", DType.F8E4M3, 6, "a.weight_scale_inv")]
    [InlineData(false, "a.weight", DType.F8E4M3, 6, "a.weight_scale")]
    [InlineData(false, "a.weight", DType.F8E5M2, 12, "a.weight.absmax")]
    [InlineData(false, "a.qweight", DType.F32, 1, "a.scales")]
    [InlineData(false, "model.a.weight_packed", DType.F32, 1, "model.a.weight_scale")]
    [InlineData(true, "a.weight", DType.F8E4M3, 6, "a.weight_scale_inv")]
    [InlineData(true, "a.qweight", DType.F32, 1, "a.scales")]
    public void IsRefused(bool replaced, string stored, DType dtype, int rows, string beside)
    {
        using TempFolder temp = new();
        Random random = new(1);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], new(stored, dtype, [rows, 4], new double[rows * 4]), new(beside, DType.F32, [1], [1]));
        PeftFolder adapter = new(temp["adapter"], 2, 2);
        if (replaced) adapter.Add("base_model.model.a.weight", DType.F32, [6, 4], PeftFolder.Values(random, 24, DType.F32));
        else adapter.Linear("a", 6, 4, random);
        adapter.Config["modules_to_save"] = new JsonArray("a");
        adapter.Save();
        string message = Assert.Throws<TargetMismatchException>(() => MergePlan.Create(Merging.Options(temp["base"], adapter.Path, temp["out"]))).Message;
        Assert.Contains("quantised", message);
        Assert.Contains("unquantised base", message);
    }

    /// <summary>What is not touched may be stored as it likes.</summary>
    [Fact]
    public void OtherTensorsDoNotMatter()
    {
        using TempFolder temp = new();
        Random random = new(1);
        TestTensor quantised = new("b.weight", DType.F8E4M3, [6, 4], PeftFolder.Values(random, 24, DType.F8E4M3));
        SafetensorsBytes.Write(
            temp["base", "model.safetensors"], Merging.Random("a.weight", DType.BF16, random, 6, 4), quantised, new("b.weight_scale_inv", DType.F32, [1], [1]));
        PeftFolder adapter = new(temp["adapter"], 2, 2);
        adapter.Linear("a", 6, 4, random);
        adapter.Save();
        Merging.Run(Merging.Options(temp["base"], adapter.Path, temp["out"]));
        Assert.Equal(quantised.Values, SafetensorsBytes.Read(temp["out", "model.safetensors"])["b.weight"].Values);
    }
}
