using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Tests.Compute;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge;

/// <summary>W' = round(W + Σᵢ wᵢ·sᵢ·Bᵢ·Aᵢ), against naive F64 loops.</summary>
public class MergeAlgebraTests
{
    public static IEnumerable<TheoryDataRow<string, DType, DType?>> Types() =>
        from backend in ComputeBackends.Names
        from dtype in new[] { DType.F16, DType.BF16, DType.F32, DType.F64, DType.F8E4M3, DType.F8E5M2 }
        from output in new DType?[] { null, DType.F32, DType.BF16, DType.F16 }
        select new TheoryDataRow<string, DType, DType?>(backend, dtype, output);

    /// <summary>Three adapters of unequal rank, a negative weight, odd sizes, a rank above both dimensions, a zero row.</summary>
    [Theory]
    [MemberData(nameof(Types))]
    public void EqualsTheSum(string backend, DType dtype, DType? output)
    {
        using TempFolder temp = new();
        Random random = new(7);
        (string Name, int Out, int In)[] modules = [("model.layers.0.a", 37, 53), ("model.layers.0.b", 5, 1), ("model.layers.1.a", 3, 4), ("head", 1, 29)];
        TestTensor[] weights = [.. modules.Select(m => Merging.Random($"{m.Name}.weight", dtype, random, m.Out, m.In))];
        SafetensorsBytes.Write(temp["base", "model.safetensors"], weights);

        (int Rank, double Alpha, double Weight)[] adapters = [(4, 10, 1), (7, 3, -0.75), (64, 16, 0.5)];
        double[][] sums = [.. weights.Select(w => (double[])w.Values.Clone())];
        double[][] magnitudes = [.. weights.Select(w => w.Values.Select(Math.Abs).ToArray())];
        List<AdapterInput> inputs = [];
        for (int i = 0; i < adapters.Length; i++)
        {
            PeftFolder folder = new(temp[$"adapter{i}"], adapters[i].Rank, adapters[i].Alpha);
            for (int m = 0; m < modules.Length; m++)
            {
                (double[] a, double[] b) = folder.Linear(modules[m].Name, modules[m].Out, modules[m].In, random);
                b.AsSpan(0, adapters[i].Rank).Clear();
                AddProduct(sums[m], magnitudes[m], a, b, adapters[i].Rank, modules[m].In, folder.Scale * adapters[i].Weight);
            }

            inputs.Add(new(folder.Save(), adapters[i].Weight));
        }

        using ICompute compute = ComputeBackends.Create(backend);
        Merging.Run(new() { Base = temp["base"], Adapters = inputs, Output = temp["out"], OutputType = output, Flush = false, TileBytes = 512 }, compute);

        var merged = SafetensorsBytes.Read(temp["out", "model.safetensors"]);
        for (int m = 0; m < modules.Length; m++)
        {
            DType expected = output is { } o && dtype is not (DType.F8E4M3 or DType.F8E5M2) ? o : dtype;
            Assert.Equal(expected, merged[weights[m].Name].DType);
            // Sums run in F64 where F64 is read; the stored type is what is rounded to.
            double[] slack = dtype == DType.F64 ? [.. magnitudes[m].Select(x => x * Math.ScaleB(1, expected == DType.F64 ? 0 : -29))] : magnitudes[m];
            Merging.AssertClose(sums[m], slack, merged[weights[m].Name].Values, expected, terms: 75);
        }
    }

    [Fact]
    public void ZeroWeightLeavesTheValues()
    {
        using TempFolder temp = new();
        Random random = new(3);
        TestTensor weight = Merging.Random("x.weight", DType.BF16, random, 12, 8);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], weight);
        PeftFolder adapter = new(temp["adapter"], 2, 4);
        adapter.Linear("x", 12, 8, random);
        adapter.Save();
        Merging.Run(Merging.Options(temp["base"], adapter.Path, temp["out"]) with { Adapters = [new(adapter.Path, 0)] });
        Assert.Equal(weight.Values, SafetensorsBytes.Read(temp["out", "model.safetensors"])["x.weight"].Values);
    }

    /// <summary>Full values at a weight: W + w·(V − W); and single rows, with an update on top of both.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(-0.5)]
    [InlineData(0.3)]
    public void ReplacementsAreWeighted(double weight)
    {
        using TempFolder temp = new();
        Random random = new(5);
        TestTensor embedding = Merging.Random("embed_tokens.weight", DType.F32, random, 11, 6);
        TestTensor norm = Merging.Random("norm.weight", DType.BF16, random, 6);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], embedding, norm);
        PeftFolder adapter = new(temp["adapter"], 3, 6);
        double[] a = PeftFolder.Values(random, 3 * 11, DType.F32), b = PeftFolder.Values(random, 6 * 3, DType.F32);
        double[] rows = PeftFolder.Values(random, 2 * 6, DType.F32), newNorm = PeftFolder.Values(random, 6, DType.F32);
        adapter.Add("base_model.model.embed_tokens.lora_embedding_A", DType.F32, [3, 11], a);
        adapter.Add("base_model.model.embed_tokens.lora_embedding_B", DType.F32, [6, 3], b);
        adapter.Add("base_model.model.embed_tokens.token_adapter.trainable_tokens_delta", DType.F32, [2, 6], rows);
        adapter.Add("base_model.model.norm.weight", DType.F32, [6], newNorm);
        adapter.Config["trainable_token_indices"] = new System.Text.Json.Nodes.JsonObject { ["embed_tokens"] = new System.Text.Json.Nodes.JsonArray(9, 2) };
        adapter.Config["modules_to_save"] = new System.Text.Json.Nodes.JsonArray("norm");
        adapter.Config["target_modules"] = new System.Text.Json.Nodes.JsonArray("embed_tokens");
        adapter.Save();
        Merging.Run(Merging.Options(temp["base"], adapter.Path, temp["out"]) with { Adapters = [new(adapter.Path, weight)], TileBytes = 64 });

        double[] expected = (double[])embedding.Values.Clone();
        foreach ((int row, int from) in new[] { (9, 0), (2, 1) })
        {
            for (int j = 0; j < 6; j++)
            {
                expected[(row * 6) + j] += weight * (rows[(from * 6) + j] - expected[(row * 6) + j]);
            }
        }

        double[] magnitudes = [.. expected.Select(Math.Abs)];
        for (int v = 0; v < 11; v++)
        {
            for (int d = 0; d < 6; d++)
            {
                for (int k = 0; k < 3; k++)
                {
                    double term = 2 * weight * a[(k * 11) + v] * b[(d * 3) + k];
                    expected[(v * 6) + d] += term;
                    magnitudes[(v * 6) + d] += Math.Abs(term);
                }
            }
        }

        var merged = SafetensorsBytes.Read(temp["out", "model.safetensors"]);
        Merging.AssertClose(expected, magnitudes, merged["embed_tokens.weight"].Values, DType.F32, terms: 3);
        double[] normExpected = [.. norm.Values.Select((w, i) => w + (weight * (newNorm[i] - w)))];
        Merging.AssertClose(normExpected, [.. normExpected.Select(_ => 2.0)], merged["norm.weight"].Values, DType.BF16, terms: 0);
    }

    /// <summary>GPT-2: [in, out] by shape; a square weight follows its namesakes, then the flag.</summary>
    [Theory]
    [InlineData(false, true, 0, true)]
    [InlineData(true, false, 0, true)]
    [InlineData(false, false, 0, false)]
    // PEFT's flag is that of the last layer it saw; biases of the base know better.
    [InlineData(false, false, 6, true)]
    [InlineData(true, false, 10, false)]
    public void OrientationIsSeen(bool flag, bool hasNamesake, int bias, bool transposed)
    {
        using TempFolder temp = new();
        Random random = new(11);
        TestTensor square = Merging.Random("h.0.attn.c_proj.weight", DType.F32, random, 6, 6);
        TestTensor wide = Merging.Random("h.0.mlp.c_proj.weight", DType.F32, random, 10, 6);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], square, wide, Merging.Random("h.0.mlp.c_proj.bias", DType.F32, random, bias));
        PeftFolder adapter = new(temp["adapter"], 2, 3);
        (double[] a, double[] b) = adapter.Linear("transformer.h.0.attn.c_proj", 6, 6, random);
        if (hasNamesake) adapter.Linear("transformer.h.0.mlp.c_proj", 6, 10, random);
        adapter.Config["fan_in_fan_out"] = flag;
        adapter.Save();
        Merging.Run(Merging.Options(temp["base"], adapter.Path, temp["out"]));

        double[] delta = new double[36], magnitudes = new double[36];
        AddProduct(delta, magnitudes, a, b, 2, 6, 1.5);
        double[] expected = [.. square.Values.Select((w, i) => w + delta[transposed ? ((i % 6) * 6) + (i / 6) : i])];
        Merging.AssertClose(
            expected, [.. magnitudes.Select(_ => 8.0)], SafetensorsBytes.Read(temp["out", "model.safetensors"])["h.0.attn.c_proj.weight"].Values, DType.F32, 2);
    }

    /// <summary>Old BERTs have their norms as gamma and beta; with <c>bias = all</c> an adapter brings what it calls bias.</summary>
    [Fact]
    public void OldNamesOfNormsAreFound()
    {
        using TempFolder temp = new();
        Random random = new(2);
        TestTensor gamma = Merging.Random("bert.embeddings.LayerNorm.gamma", DType.F32, random, 4);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], gamma, Merging.Random("bert.embeddings.LayerNorm.beta", DType.F32, random, 4));
        PeftFolder adapter = new(temp["adapter"], 1, 1);
        adapter.Add("base_model.model.bert.embeddings.LayerNorm.bias", DType.F32, [4], [1, 2, 3, 4]);
        adapter.Config["bias"] = "all";
        adapter.Save();
        Merging.Run(Merging.Options(temp["base"], adapter.Path, temp["out"]));
        var merged = SafetensorsBytes.Read(temp["out", "model.safetensors"]);
        Assert.Equal([1, 2, 3, 4], merged["bert.embeddings.LayerNorm.beta"].Values);
        Assert.Equal(gamma.Values, merged["bert.embeddings.LayerNorm.gamma"].Values);
    }

    private static void AddProduct(double[] sums, double[] magnitudes, double[] a, double[] b, int rank, int columns, double scale)
    {
        for (int i = 0; i < sums.Length; i++)
        {
            for (int k = 0; k < rank; k++)
            {
                double term = scale * b[(i / columns * rank) + k] * a[(k * columns) + (i % columns)];
                sums[i] += term;
                magnitudes[i] += Math.Abs(term);
            }
        }
    }
}
