using System.Text.Json.Nodes;
using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Conversion;

/// <summary>Between PEFT, mlx-lm and ONNX Runtime: the same modules by the same names, merged the same.</summary>
public class LanguageLayoutTests
{
    public static TheoryData<string> Fixtures() =>
        ["lora-linear-f32", "lora-linear-f16", "lora-linear-bf16", "lora-rslora", "lora-patterns", "lora-rslora-patterns", "lora-rank-above-dim", "lora-all-linear-layers"];

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void AllWaysRoundMergeTheSame(string name)
    {
        using TempFolder temp = new();
        (string @base, string peft) = (Paths.Fixture("peft", name, "base"), Paths.Fixture("peft", name, "adapter"));
        var expected = Converting.Merged(temp, @base, peft);
        To(peft, "mlx", temp["mlx"]);
        To(peft, "onnx", temp["peft.onnx_adapter"]);
        To(temp["mlx"], "onnx", temp["mlx.npz"]);
        To(temp["peft.onnx_adapter"], "mlx", temp["onnx"]);
        To(temp["mlx.npz"], "peft", temp["back"]);
        To(temp["mlx"], "peft", temp["mlxback"]);
        foreach (string adapter in (string[])["mlx", "peft.onnx_adapter", "mlx.npz", "onnx", "back", "mlxback"])
        {
            Conformance.AssertSame(expected, Converting.Merged(temp, @base, temp[adapter]));
        }

        using Adapter source = AdapterLayouts.Open(peft), back = AdapterLayouts.Open(temp["mlxback"]);
        Assert.Equal(source.Deltas.Select(delta => delta.Target).Order(Comparer<ParameterName>.Create((x, y) => string.CompareOrdinal(x.Path, y.Path))),
            back.Deltas.Select(delta => delta.Target).Order(Comparer<ParameterName>.Create((x, y) => string.CompareOrdinal(x.Path, y.Path))));
        Assert.Equal(source.Config!.BaseModel, back.Config!.BaseModel);
        Assert.False(back.Config.Json.ContainsKey("lora_parameters"));
    }

    /// <summary>One scale and one rank is all that mlx-lm has: the rest is in the factors, in singles, and what has them already keeps its type.</summary>
    [Fact]
    public void OneScaleAndOneRank()
    {
        using TempFolder temp = new();
        Random random = new(3);
        PeftFolder adapter = new(temp["peft"], 5, 7.5);
        adapter.Config["alpha_pattern"] = new JsonObject { ["v_proj"] = -4.0 };
        adapter.Config["rank_pattern"] = new JsonObject { ["v_proj"] = 3 };
        adapter.Linear("model.layers.0.self_attn.q_proj", 37, 53, random, DType.BF16);
        adapter.Linear("model.layers.1.self_attn.q_proj", 37, 53, random, DType.BF16);
        adapter.Add("base_model.model.model.layers.1.self_attn.v_proj.lora_A.weight", DType.BF16, [3, 53], PeftFolder.Values(random, 159, DType.BF16));
        adapter.Add("base_model.model.model.layers.1.self_attn.v_proj.lora_B.weight", DType.BF16, [2, 3], PeftFolder.Values(random, 6, DType.BF16));
        adapter.Save();
        To(temp["peft"], "mlx", temp["mlx"]);
        JsonNode config = JsonNode.Parse(File.ReadAllText(temp["mlx", "adapter_config.json"]))!;
        Assert.Equal((1.5, 5, -1), ((double)config["lora_parameters"]!["scale"]!, (int)config["lora_parameters"]!["rank"]!, (int)config["num_layers"]!));
        using Adapter peft = AdapterLayouts.Open(temp["peft"]), mlx = AdapterLayouts.Open(temp["mlx"]);
        foreach (LowRankDelta one in peft.Deltas.Cast<LowRankDelta>())
        {
            LowRankDelta other = (LowRankDelta)mlx.Deltas.Single(delta => delta.Target == one.Target);
            bool isPattern = one.Target.Module.Leaf == "v_proj";
            Assert.Equal((DType.BF16, isPattern ? DType.F32 : DType.BF16), (other.Down.DType, other.Up.DType));
            double[] expected = Update(one);
            double[] actual = Update(other);
            Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First, pair.Second, 1e-6));
        }
    }

    /// <summary>DoRA stays DoRA: no base is needed.</summary>
    [Theory]
    [InlineData("lora-dora-linear")]
    [InlineData("lora-dora-bf16")]
    public void DoraMergesTheSame(string name)
    {
        using TempFolder temp = new();
        (string @base, string peft) = (Paths.Fixture("peft-kinds", name, "base"), Paths.Fixture("peft-kinds", name, "adapter"));
        To(peft, "mlx", temp["mlx"]);
        Conformance.AssertSame(Converting.Merged(temp, @base, peft), Converting.Merged(temp, @base, temp["mlx"]));
        Assert.Contains("depend on the base's weights", Assert.Throws<UnsupportedException>(() => To(peft, "onnx", temp["onnx.npz"])).Message);
    }

    /// <summary>mlx-lm's stacks on a base that has its experts one by one, as most checkpoints do.</summary>
    [Theory]
    [InlineData("mlp", "gate_proj", "up_proj", "down_proj")]
    [InlineData("block_sparse_moe", "w1", "w3", "w2")]
    public void ExpertsLandOnTheBasesOwn(string block, string gate, string up, string down)
    {
        using TempFolder temp = new();
        Random random = new(8);
        List<TestTensor> tensors = [], factors = [];
        Dictionary<string, double[]> expected = [];
        foreach ((string mlx, string hf, int outs, int ins) in ((string, string, int, int)[])[("gate_proj", gate, 7, 11), ("up_proj", up, 7, 11), ("down_proj", down, 11, 7)])
        {
            string name = $"model.layers.0.{block}.";
            double[] a = PeftFolder.Values(random, 3 * 2 * ins, DType.F32), b = PeftFolder.Values(random, 3 * outs * 2, DType.F32);
            factors.Add(new($"{name}switch_mlp.{mlx}.lora_a", DType.F32, [3, 2, ins], a));
            factors.Add(new($"{name}switch_mlp.{mlx}.lora_b", DType.F32, [3, outs, 2], b));
            for (int e = 0; e < 3; e++)
            {
                double[] weight = PeftFolder.Values(random, outs * ins, DType.F32);
                tensors.Add(new($"{name}experts.{e}.{hf}.weight", DType.F32, [outs, ins], weight));
                expected.Add(tensors[^1].Name, [.. weight.Zip(Oracle.AddProduct(new double[outs * ins], b[(e * outs * 2)..((e + 1) * outs * 2)], a[(e * 2 * ins)..((e + 1) * 2 * ins)], outs, ins, 2).Values, (w, p) => w - (0.75 * p))]);
            }
        }

        SafetensorsBytes.Write(temp["base", "model.safetensors"], tensors);
        SafetensorsBytes.Write(temp["mlx", "adapters.safetensors"], factors);
        File.WriteAllText(temp["mlx", "adapter_config.json"], """{ "fine_tune_type": "lora", "num_layers": 1, "lora_parameters": { "rank": 2, "scale": -0.75, "dropout": 0.0 } }""");
        foreach ((string name, (_, _, double[] values)) in Converting.Merged(temp, temp["base"], temp["mlx"]))
        {
            Assert.All(expected[name].Zip(values), pair => Assert.Equal(pair.First, pair.Second, 1e-6));
        }
    }

    private static double[] Update(LowRankDelta delta) =>
        [.. Oracle.AddProduct(new double[delta.OutFeatures * delta.InFeatures], delta.Up.ToDoubles(), delta.Down.ToDoubles(), (int)delta.OutFeatures, (int)delta.InFeatures, (int)delta.Rank).Values.Select(p => delta.Scale * p)];

    private static void To(string adapter, string layout, string output) => Converting.Run(Converting.Options(adapter, output) with { Layout = layout });
}
