using System.Text.Json.Nodes;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Merge;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Ops.Unmerge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Unmerge;

/// <summary>Merges with a record and goes back, for tests.</summary>
internal static class Restoring
{
    public static UnmergeOptions Options(TempFolder temp, string output = "restored") => new()
    {
        Merged = temp["out"],
        Output = temp[output],
        UndoRecord = temp["undo.safetensors"],
        Flush = false,
    };

    public static UnmergeReport Run(UnmergeOptions options)
    {
        using UnmergePlan plan = UnmergePlan.Create(options);
        return plan.Run();
    }

    /// <summary>Merges, restores, and requires the base's bytes, all of them and no others.</summary>
    public static UnmergeReport RoundTrip(
        TempFolder temp, MergeOptions options, Func<UnmergeOptions, UnmergeOptions>? change = null, ICompute? compute = null)
    {
        Dictionary<string, byte[]> before = Merging.Bytes(options.Base);
        MergeReport merged = Merging.Run(options with { UndoRecord = temp["undo.safetensors"] }, compute);
        Assert.Equal(new FileInfo(temp["undo.safetensors"]).Length, merged.Undo!.Bytes);
        UnmergeOptions back = Options(temp);
        UnmergeReport report = Run(change is null ? back : change(back));
        Assert.Equal(before, Merging.Bytes(options.Base));
        Assert.Equal(before.Keys.Order(), Merging.Bytes(back.Output).Keys.Order());
        foreach ((string name, byte[] bytes) in Merging.Bytes(back.Output)) Assert.True(before[name].AsSpan().SequenceEqual(bytes), name);
        Assert.Equal((merged.Undo.Repaired, 0), (report.ElementsRepaired, report.MayDiffer));
        return report;
    }

    /// <summary>A base in two files with its index and configuration.</summary>
    public static string Shards(TempFolder temp, TestTensor[] first, TestTensor[] second)
    {
        SafetensorsBytes.Write(temp["base", "model-00001-of-00002.safetensors"], first);
        SafetensorsBytes.Write(temp["base", "model-00002-of-00002.safetensors"], second);
        JsonObject map = [];
        foreach (TestTensor tensor in first) map[tensor.Name] = "model-00001-of-00002.safetensors";
        foreach (TestTensor tensor in second) map[tensor.Name] = "model-00002-of-00002.safetensors";
        JsonObject index = new()
        {
            ["metadata"] = new JsonObject { ["total_size"] = first.Concat(second).Sum(t => t.Values.Length * t.DType.Bytes()) },
            ["weight_map"] = map,
        };
        File.WriteAllText(temp["base", "model.safetensors.index.json"], index.ToJsonString());
        File.WriteAllText(temp["base", "config.json"], "{\"model_type\": \"llama\",  \"torch_dtype\": \"float32\", \"vocab_size\": 30}");
        File.WriteAllText(temp["base", "tokenizer.json"], "{\"é\": 1}");
        return temp["base"];
    }
}
