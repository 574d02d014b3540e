using System.Text.Json.Nodes;
using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Merge;
using LoraKit.Ops.Tests.Unmerge;
using LoraKit.Ops.Verify;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge;

/// <summary>Adapters of a model in which the base's layers occur several times: every copy gets its own update.</summary>
public class LayerReplicationTests
{
    private const int Rank = 2;
    private const double Scale = 2.5;

    // Layers 0 1 2 | 1 2 3 of four.
    private static readonly int[] Sources = [0, 1, 2, 1, 2, 3];

    [Theory]
    [InlineData("model.layers", "model.layers")]
    [InlineData("model.layers", "layers")]
    [InlineData("bert.encoder.layer", "encoder.layer")]
    [InlineData("transformer.h", "transformer.h")]
    public void EveryCopyGetsItsOwnUpdate(string adapterList, string baseList)
    {
        using TempFolder temp = new();
        Random random = new(7);
        TestTensor[] layers = [.. Enumerable.Range(0, 4).Select(i => Merging.Random($"{baseList}.{i}.q.weight", DType.BF16, random, 5, 3))];
        TestTensor other = Merging.Random("norm.weight", DType.F32, random, 5);
        Restoring.Shards(temp, [layers[0], layers[3]], [layers[1], layers[2], other]);
        File.WriteAllText(temp["base", "config.json"], """{"model_type": "x", "num_hidden_layers": 4, "layer_types": ["a", "b", "c", "d"], "hidden_size": 5}""");
        PeftFolder adapter = Adapter(temp["adapter"], [[0, 3], [1, 4]]);
        Dictionary<string, double[]> expected = [];
        for (int i = 0; i < Sources.Length; i++)
        {
            double[] values = [.. layers[Sources[i]].Values];
            expected.Add($"{baseList}.{i}.q.weight", values);
            if (i == 4) continue; // One without an update.
            var (a, b) = adapter.Linear($"{adapterList}.{i}.q", 5, 3, random);
            for (int e = 0; e < values.Length; e++)
            {
                values[e] += Scale * Enumerable.Range(0, Rank).Sum(r => b[(e / 3 * Rank) + r] * a[(r * 3) + (e % 3)]);
            }
        }

        Dictionary<string, byte[]> before = Merging.Bytes(temp["base"]);
        MergeOptions options = Merging.Options(temp["base"], adapter.Save(), temp["out"]) with { TileBytes = 16 };
        Merging.Run(options);
        Assert.Equal(before, Merging.Bytes(temp["base"]));
        var merged = Directory.GetFiles(temp["out"], "*.safetensors").SelectMany(SafetensorsBytes.Read).ToDictionary();
        Assert.Equal(expected.Keys.Append(other.Name).Order(), merged.Keys.Order());
        Assert.Equal(other.Values, merged[other.Name].Values);
        foreach ((string name, double[] values) in expected)
        {
            Merging.AssertClose(values, [.. values.Select(v => Math.Abs(v) + 9)], merged[name].Values, DType.BF16, Rank);
        }

        JsonNode config = JsonNode.Parse(File.ReadAllText(temp["out", "config.json"]))!;
        Assert.Equal(6, (int)config["num_hidden_layers"]!);
        Assert.Equal(["a", "b", "c", "b", "c", "d"], config["layer_types"]!.AsArray().Select(t => (string?)t));
        Assert.Equal(5, (int)config["hidden_size"]!);
        JsonObject map = JsonNode.Parse(File.ReadAllText(temp["out", "model.safetensors.index.json"]))!["weight_map"]!.AsObject();
        Assert.Equal(merged.Keys.Order(), map.Select(m => m.Key).Order());

        Assert.Empty(Verification.Run(new(temp["out"]) { Base = temp["base"], Adapters = options.Adapters }).Findings);
        Restoring.Run(new() { Merged = temp["out"], Base = temp["base"], Adapters = options.Adapters, Output = temp["restored"], Flush = false });
        Assert.Equal(before.Keys.Order(), Merging.Bytes(temp["restored"]).Keys.Order());
        foreach ((string name, byte[] bytes) in Merging.Bytes(temp["restored"])) Assert.Equal(before[name], bytes);
    }

    [Fact]
    public void LayersMayBeLeftOut()
    {
        using TempFolder temp = new();
        TestTensor[] layers = Base(temp);
        PeftFolder adapter = Adapter(temp["adapter"], [[2, 3], [0, 1]]);
        adapter.Linear("model.layers.0.q", 5, 3, new Random(1));
        MergeOptions options = Merging.Options(temp["base"], adapter.Save(), temp["out"]);
        Merging.Run(options);
        var merged = SafetensorsBytes.Read(temp["out", "model.safetensors"]);
        Assert.Equal(["model.layers.0.q.weight", "model.layers.1.q.weight"], merged.Keys.Order());
        Assert.Equal(layers[0].Values, merged["model.layers.1.q.weight"].Values);
        Restoring.Run(new() { Merged = temp["out"], Base = temp["base"], Adapters = options.Adapters, Output = temp["restored"], Flush = false });
        Assert.Equal(File.ReadAllBytes(temp["base", "model.safetensors"]), File.ReadAllBytes(temp["restored", "model.safetensors"]));
    }

    [Theory]
    [InlineData("[[0, 5]]", "has 4")]
    [InlineData("[[2, 2]]", "has 4")]
    [InlineData("[[-1, 2]]", "has 4")]
    [InlineData("[[0, 9223372036854775807]]", "has 4")]
    [InlineData("[[0]]", "expected a list of [first layer, layer behind the last]")]
    [InlineData("[3]", "expected a list of whole numbers")]
    [InlineData("7", "expected a list of [first layer, layer behind the last]")]
    public void RangesThatAreNoneAreRefused(string ranges, string what)
    {
        using TempFolder temp = new();
        Base(temp);
        PeftFolder adapter = new(temp["adapter"], Rank, 1);
        adapter.Config["layer_replication"] = JsonNode.Parse(ranges);
        adapter.Linear("model.layers.0.q", 5, 3, new Random(1));
        Assert.Contains(what, Assert.Throws<InvalidAdapterException>(() => Merging.Run(Merging.Options(temp["base"], adapter.Save(), temp["out"]))).Message);
        Assert.False(Path.Exists(temp["out"]));
    }

    [Fact]
    public void ARecordOfItIsRefused()
    {
        using TempFolder temp = new();
        Base(temp);
        PeftFolder adapter = Adapter(temp["adapter"], [[0, 4], [2, 4]]);
        adapter.Linear("model.layers.5.q", 5, 3, new Random(1));
        MergeOptions options = Merging.Options(temp["base"], adapter.Save(), temp["out"]) with { UndoRecord = temp["undo.safetensors"] };
        Assert.Contains("--base", Assert.Throws<UnsupportedException>(() => Merging.Run(options)).Message);
        Assert.False(Path.Exists(temp["out"]) || Path.Exists(temp["undo.safetensors"]));
    }

    [Fact]
    public void AdaptersOfDifferentModelsAreRefused()
    {
        using TempFolder temp = new();
        Base(temp);
        PeftFolder one = Adapter(temp["one"], [[0, 4], [2, 4]]), two = new(temp["two"], Rank, 1);
        one.Linear("model.layers.5.q", 5, 3, new Random(1));
        two.Linear("model.layers.0.q", 5, 3, new Random(1));
        MergeOptions options = Merging.Options(temp["base"], "", temp["out"]) with { Adapters = [new(one.Save()), new(two.Save())] };
        Assert.Contains("different layers", Assert.Throws<UnsupportedException>(() => Merging.Run(options)).Message);
    }

    private static TestTensor[] Base(TempFolder temp)
    {
        Random random = new(7);
        TestTensor[] layers = [.. Enumerable.Range(0, 4).Select(i => Merging.Random($"model.layers.{i}.q.weight", DType.F32, random, 5, 3))];
        SafetensorsBytes.Write(temp["base", "model.safetensors"], layers);
        return layers;
    }

    private static PeftFolder Adapter(string folder, int[][] ranges)
    {
        PeftFolder adapter = new(folder, Rank, Scale * Rank);
        adapter.Config["layer_replication"] = new JsonArray([.. ranges.Select(r => new JsonArray([.. r.Select(i => (JsonNode)i)]))]);
        return adapter;
    }
}
