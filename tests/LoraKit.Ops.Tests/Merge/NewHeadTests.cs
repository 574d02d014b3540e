using System.Text.Json.Nodes;
using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge;

/// <summary>A head for a task that the base was not made for: trained in full, and in the base under no name.</summary>
public class NewHeadTests
{
    /// <summary>Beside a head, a base saved without its own needs the names of a whole model.</summary>
    [Theory]
    [InlineData("model.layers.0.q", "model.layers.0.q", "score", "model.layers.0.q", "model.norm", "model.norm")]
    [InlineData("transformer.h.0.q", "h.0.q", "score", "transformer.h.0.q", "ln_f", "transformer.ln_f")]
    [InlineData("bert.encoder.layer.0.q", "encoder.layer.0.q", "classifier", "bert.encoder.layer.0.q", "pooler.dense", "bert.pooler.dense")]
    [InlineData("bert.encoder.layer.0.q", "bert.encoder.layer.0.q", "classifier", "bert.encoder.layer.0.q", "cls.predictions", "cls.predictions")]
    [InlineData("vit.encoder.layer.0.q", "encoder.layer.0.q", "classifier.dense", "vit.encoder.layer.0.q", "pooler.dense", "vit.pooler.dense")]
    [InlineData("strange.layers.0.q", "layers.0.q", "classifier", "layers.0.q", "norm", "norm")]
    public void IsAdded(string module, string inBase, string head, string merged, string other, string otherMerged)
    {
        using TempFolder temp = new();
        Random random = new(1);
        TestTensor kept = Merging.Random($"{other}.weight", DType.BF16, random, 3, 3);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], Merging.Random($"{inBase}.weight", DType.BF16, random, 4, 3), kept);
        PeftFolder adapter = Adapter(temp, module, head, random, out double[] values);
        using (MergePlan plan = MergePlan.Create(Merging.Options(temp["base"], adapter.Path, temp["out"])))
        {
            Assert.Contains(plan.Warnings, w => w.Contains($"{head}.weight [2, 4] is new"));
            plan.Run(new SimdCompute());
        }

        var tensors = SafetensorsBytes.Read(temp["out", "model.safetensors"]);
        Assert.Equal(new[] { $"{merged}.weight", $"{otherMerged}.weight", $"{head}.weight", $"{head}.bias" }.Order(), tensors.Keys.Order());
        Assert.Equal(DType.F32, tensors[$"{head}.weight"].DType);
        Assert.Equal(values, tensors[$"{head}.weight"].Values);
        Assert.Equal(kept.Values, tensors[$"{otherMerged}.weight"].Values);
        Merging.Run(Merging.Options(temp["base"], adapter.Path, temp["half"]) with { OutputType = DType.F16 });
        Assert.All(SafetensorsBytes.Read(temp["half", "model.safetensors"]).Values, t => Assert.Equal(DType.F16, t.DType));
    }

    [Fact]
    public void ShardsAndIndexFollow()
    {
        using TempFolder temp = new();
        Random random = new(1);
        SafetensorsBytes.Write(temp["base", "model-00001-of-00002.safetensors"], Merging.Random("h.0.q.weight", DType.F32, random, 4, 3));
        SafetensorsBytes.Write(temp["base", "model-00002-of-00002.safetensors"], Merging.Random("ln_f.weight", DType.F32, random, 3));
        File.WriteAllText(
            temp["base", "model.safetensors.index.json"],
            """{"metadata": {"total_size": 60}, "weight_map": {"h.0.q.weight": "model-00001-of-00002.safetensors", "ln_f.weight": "model-00002-of-00002.safetensors"}}""");
        PeftFolder adapter = Adapter(temp, "transformer.h.0.q", "score", random, out _);
        Merging.Run(Merging.Options(temp["base"], adapter.Path, temp["out"]));
        JsonNode index = JsonNode.Parse(File.ReadAllText(temp["out", "model.safetensors.index.json"]))!;
        Assert.Equal(
            ["score.bias", "score.weight", "transformer.h.0.q.weight", "transformer.ln_f.weight"], index["weight_map"]!.AsObject().Select(t => t.Key));
        Assert.Equal(60 + 32 + 8, (int)index["metadata"]!["total_size"]!);
        Assert.Equal(["transformer.h.0.q.weight"], SafetensorsBytes.Read(temp["out", "model-00001-of-00002.safetensors"]).Keys);
    }

    /// <summary>GPT-2's files lack <c>transformer.</c> and the head; a head of its own needs both.</summary>
    [Fact]
    public void AHeadThatIsNoLongerTiedNeedsTheNamesToo()
    {
        using TempFolder temp = new();
        Random random = new(1);
        SafetensorsBytes.Write(
            temp["base", "model.safetensors"], Merging.Random("wte.weight", DType.F32, random, 5, 3), Merging.Random("h.0.q.weight", DType.F32, random, 4, 3));
        PeftFolder adapter = new(temp["adapter"], 1, 1);
        adapter.Linear("transformer.h.0.q", 4, 3, random);
        adapter.Add("base_model.model.lm_head.weight", DType.F32, [5, 3], PeftFolder.Values(random, 15, DType.F32));
        adapter.Config["modules_to_save"] = new JsonArray("lm_head");
        adapter.Save();
        Merging.Run(Merging.Options(temp["base"], adapter.Path, temp["out"]));
        Assert.Equal(["lm_head.weight", "transformer.h.0.q.weight", "transformer.wte.weight"], SafetensorsBytes.Read(temp["out", "model.safetensors"]).Keys.Order());
    }

    [Theory]
    // The rest of the adapter is of another model.
    [InlineData("other.layers.0.q", "classifier", 1)]
    // The base knows such a module, elsewhere.
    [InlineData("model.layers.0.q", "norm", 1)]
    [InlineData("model.layers.0.q", "classifier", 0.5)]
    public void IsNotAlwaysOne(string module, string head, double weight)
    {
        using TempFolder temp = new();
        Random random = new(1);
        SafetensorsBytes.Write(
            temp["base", "model.safetensors"], Merging.Random("model.layers.0.q.weight", DType.F32, random, 4, 3), Merging.Random("model.inner.norm.weight", DType.F32, random, 3));
        PeftFolder adapter = Adapter(temp, module, head, random, out _);
        TargetMismatchException error = Assert.Throws<TargetMismatchException>(
            () => MergePlan.Create(Merging.Options(temp["base"], adapter.Path, temp["out"]) with { Adapters = [new(adapter.Path, weight)] }));
        Assert.Contains(error.Misses, m => m.Contains($"{head}.weight"));
    }

    [Fact]
    public void TwoAdaptersCannotBothBringIt()
    {
        using TempFolder temp = new();
        Random random = new(1);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], Merging.Random("model.layers.0.q.weight", DType.F32, random, 4, 3));
        PeftFolder adapter = Adapter(temp, "model.layers.0.q", "score", random, out _);
        Assert.Throws<TargetMismatchException>(
            () => MergePlan.Create(Merging.Options(temp["base"], adapter.Path, temp["out"]) with { Adapters = [new(adapter.Path), new(adapter.Path)] }));
    }

    private static PeftFolder Adapter(TempFolder temp, string module, string head, Random random, out double[] values)
    {
        PeftFolder adapter = new(temp["adapter"], 1, 1);
        adapter.Linear(module, 4, 3, random);
        values = PeftFolder.Values(random, 8, DType.F32);
        adapter.Add($"base_model.model.{head}.weight", DType.F32, [2, 4], values);
        adapter.Add($"base_model.model.{head}.bias", DType.F32, [2], [1, 2]);
        adapter.Config["modules_to_save"] = new JsonArray(head.Split('.')[0]);
        adapter.Save();
        return adapter;
    }
}
