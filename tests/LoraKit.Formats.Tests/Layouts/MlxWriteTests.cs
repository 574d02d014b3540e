using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Containers;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Layouts.Mlx;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>mlx-lm's experts, DoRA and whole weights both ways, and what has to become one scale and one rank.</summary>
public sealed class MlxWriteTests
{
    private const string Block = "model.layers.2.mlp.";
    private const string Lora = """{ "fine_tune_type": "lora", "num_layers": 3, "lora_parameters": { "rank": 3, "scale": 1.75, "dropout": 0.0 } }""";
    private const string Dora = """{ "fine_tune_type": "dora", "num_layers": 3, "lora_parameters": { "rank": 3, "scale": 1.75, "dropout": 0.0 } }""";

    private static readonly IAdapterLayout Mlx = AdapterLayouts.Named("mlx");

    /// <summary>fuse() adds scale · lora_b @ lora_a of each expert; older files have lora_a [E·r, in].</summary>
    [Theory]
    [InlineData(DType.F32, false)]
    [InlineData(DType.BF16, false)]
    [InlineData(DType.F16, true)]
    public void Experts_have_the_product_of_each(DType dtype, bool isOlder)
    {
        FactorSample sample = Experts(dtype, isOlder);
        using Adapter adapter = sample.Read();
        ExpertsDelta delta = (ExpertsDelta)Assert.Single(adapter.Deltas);
        Assert.Equal(new ParameterName(new(Block + "experts"), "up_proj"), delta.Target);
        double[] a = sample[Block + "switch_mlp.up_proj.lora_a"], b = sample[Block + "switch_mlp.up_proj.lora_b"], expected = new double[4 * 7 * 11];
        for (int e = 0; e < 4; e++)
        {
            for (int o = 0; o < 7; o++)
            {
                for (int i = 0; i < 11; i++)
                {
                    for (int j = 0; j < 3; j++) expected[(((e * 7) + o) * 11) + i] += 1.75 * b[(((e * 7) + o) * 3) + j] * a[(((e * 3) + j) * 11) + i];
                }
            }
        }

        Assert.Equal(expected, ExpertUpdates.Of(delta));
        using SavedAdapter saved = new(adapter);
        SavedAdapter.AssertSame(adapter, saved.Adapter);
        Assert.Equal([$"{Block}switch_mlp.up_proj.lora_a {dtype} [4, 3, 11]", $"{Block}switch_mlp.up_proj.lora_b {dtype} [4, 7, 3]"],
            saved.Tensors().Select(tensor => $"{tensor.Name} {tensor.DType} {tensor.Shape}"));
    }

    /// <summary>Where a model calls its experts otherwise, so do the files.</summary>
    [Fact]
    public void Other_names_of_experts_stay()
    {
        using Adapter adapter = new FactorSample { Config = Lora }.Tensor(Block + "experts.gate_proj.lora_a", DType.F32, 4, 3, 11).Tensor(Block + "experts.gate_proj.lora_b", DType.F32, 4, 7, 3).Read();
        using SavedAdapter saved = new(adapter);
        SavedAdapter.AssertSame(adapter, saved.Adapter);
        Assert.Equal(Block + "experts.gate_proj.lora_a", saved.Tensors()[0].Name);
    }

    [Fact]
    public void Dora_comes_back_with_its_magnitudes()
    {
        using Adapter adapter = new FactorSample { Config = Dora }
            .Tensor("model.layers.2.self_attn.q_proj.lora_a", DType.BF16, 53, 3).Tensor("model.layers.2.self_attn.q_proj.lora_b", DType.BF16, 3, 37).Tensor("model.layers.2.self_attn.q_proj.m", DType.F32, 37)
            .Tensor("model.embed_tokens.lora_a", DType.F16, 53, 3).Tensor("model.embed_tokens.lora_b", DType.F16, 3, 37).Tensor("model.embed_tokens.m", DType.F32, 53).Read();
        Assert.Empty(Mlx.Limits(adapter));
        using SavedAdapter saved = new(adapter);
        SavedAdapter.AssertSame(adapter, saved.Adapter);
        Assert.Contains("\"fine_tune_type\": \"dora\"", saved.Config);

        Adapter some = new("x", "mlx", null) { Deltas = [adapter.Deltas[0], ((MagnitudeDelta)adapter.Deltas[1]).Inner] };
        Assert.Contains("1 of 2 modules have the magnitudes", Assert.Single(Mlx.Limits(some)));
    }

    [Fact]
    public void Whole_weights_come_back()
    {
        using Adapter adapter = new FactorSample { Config = """{ "fine_tune_type": "full", "num_layers": 2, "seed": 3 }""" }
            .Tensor("model.norm.weight", DType.BF16, 37).Tensor("lm_head.weight", DType.F16, 5, 37).Read();
        using SavedAdapter saved = new(adapter);
        SavedAdapter.AssertSame(adapter, saved.Adapter);
        Assert.Contains("\"num_layers\": 2", saved.Config);
    }

    /// <summary>Each update stays what it was: by another B, and more rows and columns of zeros. Most keep their bits.</summary>
    [Theory]
    [InlineData(ExpertColumns.RankMajor)]
    [InlineData(ExpertColumns.ExpertMajor)]
    public void Scales_and_ranks_become_one(ExpertColumns order)
    {
        Random random = new(11);
        LowRankDelta low = Product("model.layers.0.self_attn.q_proj", 37, 53, 2, 0.5), also = Product("model.layers.0.self_attn.v_proj", 6, 53, 9, 0.5), other = Product("model.layers.1.mlp.up_proj", 5, 4, 5, -3);
        LowRankDelta none = Product("model.layers.1.mlp.down_proj", 4, 5, 1, 0);
        ExpertsDelta experts = new(new(new("model.layers.1.mlp.experts"), "down_proj"), Values(8, 11), Values(7, 8), 4, order, 2.25, 4.5);
        Adapter before = new("x", "mlx", null) { Deltas = [low, also, other, none, experts] };
        Assert.Equal(2, Mlx.Limits(before).Count);

        Adapter folded = Mlx.Fold(before);
        Assert.Empty(Mlx.Limits(folded));
        for (int i = 0; i < 4; i++) Near(Update((LowRankDelta)before.Deltas[i]), Update((LowRankDelta)folded.Deltas[i]));
        Near(ExpertUpdates.Of(experts), ExpertUpdates.Of((ExpertsDelta)folded.Deltas[4]));
        Assert.All(folded.Deltas, delta => Assert.Equal((0.5, 9), (delta.Facts.Scale, delta.Facts.Rank)));
        Assert.Same(also, folded.Deltas[1]);
        Assert.Equal(DType.F32, ((LowRankDelta)folded.Deltas[0]).Up.DType);

        // Pieces of any length have the same bytes.
        foreach (TensorValue value in folded.Deltas.SelectMany(delta => delta.Tensors).Append(Factors((ExpertsDelta)folded.Deltas[4])))
        {
            byte[] whole = new byte[value.Shape.ElementCount * value.DType.Bytes()];
            value.ReadBytes(0, whole);
            for (int n = 0; n < 40; n++)
            {
                int start = random.Next(whole.Length), length = random.Next(whole.Length - start + 1);
                byte[] piece = new byte[length];
                random.NextBytes(piece);
                value.ReadBytes(start, piece);
                Assert.Equal(whole[start..(start + length)], piece);
            }
        }

        LowRankDelta Product(string module, int outs, int ins, int rank, double scale) => new(new(new(module), "weight"), Values(rank, ins), Values(outs, rank), scale, scale * rank);

        MemoryTensor Values(int rows, int columns) => new("t", new TensorShape(rows, columns), [.. Enumerable.Range(0, rows * columns).Select(_ => (float)(random.NextDouble() - 0.5))]);
    }

    /// <summary>transformers 5 has gate over up in one stack; mlx-lm has two.</summary>
    [Fact]
    public void Gate_and_up_are_parted()
    {
        Random random = new(5);
        ExpertsDelta fused = new(new(new("model.layers.0.mlp.experts"), "gate_up_proj"), Values(6, 11), Values(10, 6), 2, ExpertColumns.RankMajor, 0.75, 2.25) { Orientation = WeightOrientation.FromShape };
        Adapter adapter = new("x", "mlx", null) { Deltas = [fused] };
        Assert.Contains("gate and up in one", Assert.Single(Mlx.Limits(adapter)));
        using SavedAdapter saved = new(Mlx.Fold(adapter));
        Assert.Equal(["gate_proj", "up_proj"], saved.Adapter.Deltas.Select(delta => delta.Target.Parameter));
        double[] whole = ExpertUpdates.Of(fused), gate = ExpertUpdates.Of((ExpertsDelta)saved.Adapter.Deltas[0]), up = ExpertUpdates.Of((ExpertsDelta)saved.Adapter.Deltas[1]);
        for (int e = 0; e < 2; e++)
        {
            Near(whole[(e * 110)..((e * 110) + 55)], gate[(e * 55)..((e + 1) * 55)]);
            Near(whole[((e * 110) + 55)..((e + 1) * 110)], up[(e * 55)..((e + 1) * 55)]);
        }

        ExpertsDelta turned = new(fused.Target with { Parameter = "down_proj" }, fused.Down, fused.Up, 2, fused.Order, 1, 3) { Orientation = WeightOrientation.InOut };
        Assert.Contains("stored transposed", Assert.Single(Mlx.Limits(new Adapter("x", "mlx", null) { Deltas = [turned] })));

        MemoryTensor Values(int rows, int columns) => new("t", new TensorShape(rows, columns), [.. Enumerable.Range(0, rows * columns).Select(_ => (float)(random.NextDouble() - 0.5))]);
    }

    /// <summary>mlx-lm puts factors on these modules of the last num_layers layers, and refuses a file with others.</summary>
    [Theory]
    [InlineData(null, new[] { "model.layers.2.a.x", "model.layers.30.a.x" }, 0, -1)]
    [InlineData(4, new[] { "model.layers.28.a.x", "model.layers.31.a.x" }, 0, 4)]
    [InlineData(4, new[] { "model.layers.28.a.x", "model.layers.24.a.y" }, 0, -1)]
    [InlineData(-1, new[] { "model.layers.28.a.x" }, 0, -1)]
    [InlineData(null, new[] { "model.layers.28.a.x", "model.layers.30.a.x" }, 32, 4)]
    [InlineData(16, new[] { "model.layers.28.a.x" }, 32, 4)]
    [InlineData(null, new[] { "a.layers.2.x", "b.layers.2.x" }, 0, -1)]
    [InlineData(null, new[] { "model.embed_tokens" }, 0, -1)]
    public void The_layers_are_counted_from_the_last(int? stated, string[] modules, int inBase, int expected)
    {
        JsonObject config = new() { ["fine_tune_type"] = "lora" };
        if (stated is not null) config["num_layers"] = stated;
        config["lora_parameters"] = new JsonObject { ["keys"] = new JsonArray("a.z") };
        Adapter adapter = new("x", "mlx", null)
        {
            Deltas = [.. modules.Select(module => new LowRankDelta(new(new(module), "weight"), new MemoryTensor("a", new(2, 3), new float[6]), new MemoryTensor("b", new(5, 2), new float[10]), 2, 4) { IsEmbedding = module.EndsWith("embed_tokens", StringComparison.Ordinal) })],
            Config = new AdapterConfig(config),
            BaseModules = inBase == 0 ? null : [.. Enumerable.Range(0, inBase).Select(layer => new ModuleName($"model.layers.{layer}.a.x")), new("vision.blocks.77.x")],
        };
        using SavedAdapter saved = new(adapter);
        JsonNode written = JsonNode.Parse(saved.Config)!;
        Assert.Equal(expected, (int)written["num_layers"]!);
        IEnumerable<string> keys = modules.Select(module => module.Contains("layers.") ? string.Join('.', module.Split('.').SkipWhile(part => !part.All(char.IsAsciiDigit)).Skip(1)) : module);
        Assert.Equal(keys.Distinct().Order(StringComparer.Ordinal), written["lora_parameters"]!["keys"]!.AsArray().Select(key => (string)key!));
    }

    [Theory]
    [InlineData("mlx/ml-explore__mlx-examples/llms/adapters/0000100_adapters.safetensors")]
    [InlineData("mlx/ollama__ollama/convert/testdata/adapters/discollama")]
    [InlineData("mlx/wyek1n__MLX-CLI/adapters")]
    public void Real_files_come_back_byte_by_byte(string name)
    {
        Assert.SkipWhen(Paths.RealData is null, "real adapter files are not there");
        using Adapter adapter = AdapterLayouts.Open(Path.Combine(Paths.RealData!, name));
        using SavedAdapter saved = new(adapter);
        SavedAdapter.AssertSame(adapter, saved.Adapter);
        using ITensorSource source = TensorFiles.Open(adapter.Deltas[0].Tensors[0].File!);
        Assert.Equal(SavedAdapter.Tensors(source), saved.Tensors());
    }

    private static FactorSample Experts(DType dtype, bool isOlder) => new FactorSample { Config = Lora }
        .Tensor(Block + "switch_mlp.up_proj.lora_a", dtype, isOlder ? [12, 11] : [4, 3, 11]).Tensor(Block + "switch_mlp.up_proj.lora_b", dtype, 4, 7, 3);

    /// <summary>lora_b as it is written.</summary>
    private static TensorValue Factors(ExpertsDelta delta) => MlxExperts.Factors(delta).B;

    private static double[] Update(LowRankDelta delta)
    {
        double[] values = new double[delta.OutFeatures * delta.InFeatures];
        NaiveMerge.Add(values, new TensorShape(delta.OutFeatures, delta.InFeatures), delta);
        return values;
    }

    private static void Near(double[] expected, double[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First, pair.Second, 1e-14));
    }
}
