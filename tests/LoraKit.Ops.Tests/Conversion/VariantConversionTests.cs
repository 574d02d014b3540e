using System.Text.Json.Nodes;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Conversion;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Conversion;

/// <summary>Variants of LoRA that its configuration tells: the result is read as plain LoRA, of the same layers.</summary>
public class VariantConversionTests
{
    [Fact]
    public void WhatKasaTakesOutOfTheBaseIsInTheFactors()
    {
        using TempFolder temp = new();
        Random random = new(5);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], Merging.Random("x.weight", DType.F32, random, 21, 13));
        PeftFolder folder = new(temp["adapter"], 4, 6);
        folder.Linear("x", 21, 13, random);
        folder.Config["kasa_config"] = new JsonObject();
        folder.Add("base_model.model.x.lora_diag", DType.F32, [4], PeftFolder.Values(random, 4, DType.F32));
        AssertMergesAsBefore(temp, folder.Save());
    }

    [Fact]
    public void CopiesOfLayersEachHaveTheirMagnitude()
    {
        using TempFolder temp = new();
        Random random = new(6);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], [.. Enumerable.Range(0, 3).Select(i => Merging.Random($"model.layers.{i}.q.weight", DType.F32, random, 5, 3))]);
        File.WriteAllText(temp["base", "config.json"], """{"model_type": "x", "num_hidden_layers": 3}""");
        PeftFolder folder = new(temp["adapter"], 2, 5);
        folder.Config["use_dora"] = true;
        folder.Config["layer_replication"] = new JsonArray(new JsonArray(0, 2), new JsonArray(1, 3));
        for (int i = 0; i < 4; i++)
        {
            folder.Linear($"model.layers.{i}.q", 5, 3, random);
            folder.Add($"base_model.model.model.layers.{i}.q.lora_magnitude_vector", DType.F32, [5], PeftFolder.Values(random, 5, DType.F32));
        }

        AssertMergesAsBefore(temp, folder.Save());
    }

    private static void AssertMergesAsBefore(TempFolder temp, string adapter)
    {
        ConvertReport report = Converting.Run(Converting.Options(adapter, temp["lora"]) with { Base = temp["base"], MaxError = 1e-7 });
        Assert.All(report.Modules, module => Assert.Equal(ConvertedForm.Truncated, module.Form));
        Dictionary<string, double[]> before = Merged(temp, adapter), after = Merged(temp, temp["lora"]);
        Assert.Equal(before.Keys.Order(), after.Keys.Order());
        foreach ((string name, double[] values) in before)
        {
            Assert.All(Enumerable.Range(0, values.Length), i => Assert.Equal(values[i], after[name][i], 1e-5));
        }
    }

    private static Dictionary<string, double[]> Merged(TempFolder temp, string adapter)
    {
        string output = temp[$"{Path.GetFileName(adapter)}-merged"];
        Merging.Run(Merging.Options(temp["base"], adapter, output));
        return Directory.GetFiles(output, "*.safetensors").SelectMany(SafetensorsBytes.Read).ToDictionary(tensor => tensor.Key, tensor => tensor.Value.Values);
    }
}
