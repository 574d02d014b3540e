using System.Text.Json.Nodes;
using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Merge;
using LoraKit.Ops.Tests.Compute;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge;

/// <summary>PEFT's variants of LoRA from folder to merged model, against loops written from their definitions.</summary>
public class LoraVariantTests
{
    public static IEnumerable<TheoryDataRow<string, DType>> Types() =>
        from backend in ComputeBackends.Names
        from dtype in new[] { DType.F16, DType.BF16, DType.F32, DType.F64 }
        select new TheoryDataRow<string, DType>(backend, dtype);

    /// <summary>Two adapters on one weight, each of the same base; rsLoRA, a negative weight; one module without magnitudes, which then are the base's norms.</summary>
    [Theory]
    [MemberData(nameof(Types))]
    public void Dora(string backend, DType dtype)
    {
        using TempFolder temp = new();
        Random random = new(17);
        TestTensor[] weights = [Merging.Random("a.weight", dtype, random, 37, 53), Merging.Random("b.weight", dtype, random, 9, 4)];
        SafetensorsBytes.Write(temp["base", "model.safetensors"], weights);
        double[][] expected = [[.. weights[0].Values], [.. weights[1].Values]];
        List<AdapterInput> inputs = [];
        foreach ((int rank, double factor, bool magnitudes) in new[] { (4, 1.0, true), (7, -0.75, false) })
        {
            PeftFolder folder = new(temp[$"adapter{rank}"], rank, 10);
            folder.Config["use_dora"] = true;
            folder.Config["use_rslora"] = true;
            foreach ((TestTensor weight, double[] sum) in weights.Zip(expected))
            {
                (int rows, int columns) = ((int)weight.Shape[0], (int)weight.Shape[1]);
                string name = weight.Name[..1];
                (double[] a, double[] b) = folder.Linear(name, rows, columns, random);
                double[]? m = magnitudes ? PeftFolder.Values(random, rows, DType.F32) : null;
                if (m is not null) folder.Add($"base_model.model.{name}.lora_magnitude_vector", DType.F32, [rows], m);
                double[] updated = Sum(weight.Values, a, b, rank, columns, 10 / Math.Sqrt(rank));
                for (int i = 0; i < sum.Length; i++)
                {
                    int row = i / columns;
                    double length = m is null ? Length(weight.Values.AsSpan(row * columns, columns)) : m[row];
                    sum[i] += factor * ((length * updated[i] / Length(updated.AsSpan(row * columns, columns))) - weight.Values[i]);
                }
            }

            inputs.Add(new(folder.Save(), factor));
        }

        AssertMerged(temp, backend, inputs, weights, expected);
    }

    /// <summary>Packed A for one module, packed B for another, neither for a third.</summary>
    [Theory]
    [MemberData(nameof(Types))]
    public void BlockDiagonal(string backend, DType dtype)
    {
        using TempFolder temp = new();
        Random random = new(18);
        TestTensor[] weights = [Merging.Random("m.up.weight", dtype, random, 37, 15), Merging.Random("m.down.weight", dtype, random, 21, 53), Merging.Random("m.gate.weight", dtype, random, 5, 7)];
        SafetensorsBytes.Write(temp["base", "model.safetensors"], weights);
        const int rank = 6, blocks = 3;
        PeftFolder folder = new(temp["adapter"], rank, 9);
        folder.Config["use_bdlora"] = JsonNode.Parse("""{ "target_modules_bd_a": ["m.up"], "target_modules_bd_b": ["down"], "nblocks": 3, "match_strict": false }""");
        double[][] expected = [.. weights.Select(weight =>
        {
            (int rows, int columns) = ((int)weight.Shape[0], (int)weight.Shape[1]);
            string name = weight.Name[..^7];
            bool packsA = name == "m.up", packsB = name == "m.down";
            (int inputs, int inner) = (packsA ? columns / blocks : columns, packsB ? rank / blocks : rank);
            double[] a = PeftFolder.Values(random, rank * inputs, DType.F32), b = PeftFolder.Values(random, rows * inner, DType.F32);
            folder.Add($"base_model.model.{name}.lora_A.weight", DType.F32, [rank, inputs], a);
            folder.Add($"base_model.model.{name}.lora_B.weight", DType.F32, [rows, inner], b);
            double[] fullA = new double[rank * columns], fullB = new double[rows * rank];
            for (int k = 0; k < rank; k++)
            {
                for (int j = 0; j < inputs; j++) fullA[(k * columns) + (packsA ? (k / (rank / blocks) * inputs) + j : j)] = a[(k * inputs) + j];
            }

            for (int i = 0; i < rows; i++)
            {
                for (int k = 0; k < inner; k++) fullB[(i * rank) + (packsB ? (i / (rows / blocks) * inner) + k : k)] = b[(i * inner) + k];
            }

            return Sum(weight.Values, fullA, fullB, rank, columns, 1.5);
        })];
        AssertMerged(temp, backend, [new(folder.Save())], weights, expected);
    }

    /// <summary>The base is made of known singular triplets, so what is taken out is known without a decomposition.</summary>
    [Theory]
    [InlineData("pissa", 21, 13)]
    [InlineData("pissa", 13, 21)]
    [InlineData("kasa", 21, 13)]
    [InlineData("kasa", 13, 21)]
    [InlineData("pissa-conv1d", 21, 13)]
    [InlineData("pissa-dora", 21, 13)]
    public void SingularPartsAreTakenOut(string kind, int rows, int columns)
    {
        const int rank = 4;
        using TempFolder temp = new();
        Random random = new(19);
        int size = Math.Min(rows, columns);
        double[][] u = Orthonormal(random, rows, size), v = Orthonormal(random, columns, size);
        double[] w = new double[rows * columns], part = new double[rows * columns];
        for (int t = 0; t < size; t++)
        {
            bool isTaken = kind == "kasa" ? t >= size - rank : t < rank;
            for (int i = 0; i < w.Length; i++)
            {
                double term = (size - t) * 0.5 * u[t][i / columns] * v[t][i % columns];
                w[i] += term;
                if (isTaken) part[i] += term;
            }
        }

        bool turned = kind == "pissa-conv1d";
        TestTensor weight = turned ? new("x.weight", DType.F64, [columns, rows], Turned(w, rows, columns)) : new("x.weight", DType.F64, [rows, columns], w);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], weight);
        PeftFolder folder = new(temp["adapter"], rank, 6);
        (double[] a, double[] b) = folder.Linear("x", rows, columns, random);
        if (kind == "kasa")
        {
            folder.Config["kasa_config"] = new JsonObject();
            double[] d = PeftFolder.Values(random, rank, DType.F32);
            folder.Add("base_model.model.x.lora_diag", DType.F32, [rank], d);
            b = [.. b.Select((value, i) => value * d[i % rank])];
        }
        else
        {
            folder.Config["init_lora_weights"] = "pissa";
        }

        double[] expected = Sum([.. w.Zip(part, (x, y) => x - y)], a, b, rank, columns, 1.5);
        if (kind == "pissa-dora")
        {
            folder.Config["use_dora"] = true;
            double[] m = PeftFolder.Values(random, rows, DType.F32);
            folder.Add("base_model.model.x.lora_magnitude_vector", DType.F32, [rows], m);
            double[] lengths = [.. Enumerable.Range(0, rows).Select(i => Length(expected.AsSpan(i * columns, columns)))];
            for (int i = 0; i < expected.Length; i++) expected[i] *= m[i / columns] / lengths[i / columns];
        }

        double[] merged = Merge(temp, folder.Save())["x.weight"].Values;
        if (turned) merged = Turned(merged, columns, rows);
        Assert.All(Enumerable.Range(0, w.Length), i => Assert.Equal(expected[i], merged[i], 1e-12));
    }

    /// <summary>s·Q_r·R_r by Gram–Schmidt; the scale is there twice, as in PEFT.</summary>
    [Theory]
    [InlineData(21, 13)]
    [InlineData(13, 21)]
    public void OloraTakesTheFirstColumnsOut(int rows, int columns)
    {
        const int rank = 4;
        using TempFolder temp = new();
        Random random = new(20);
        TestTensor weight = Merging.Random("x.weight", DType.F64, random, rows, columns);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], weight);
        PeftFolder folder = new(temp["adapter"], rank, 6);
        folder.Config["init_lora_weights"] = "olora";
        (double[] a, double[] b) = folder.Linear("x", rows, columns, random);
        double[][] q = GramSchmidt([.. Enumerable.Range(0, rank).Select(k => Enumerable.Range(0, rows).Select(i => weight.Values[(i * columns) + k]).ToArray())]);
        double[] left = [.. weight.Values];
        foreach (double[] column in q)
        {
            for (int j = 0; j < columns; j++)
            {
                double share = Enumerable.Range(0, rows).Sum(i => column[i] * weight.Values[(i * columns) + j]);
                for (int i = 0; i < rows; i++) left[(i * columns) + j] -= 1.5 * column[i] * share;
            }
        }

        double[] expected = Sum(left, a, b, rank, columns, 1.5), merged = Merge(temp, folder.Save())["x.weight"].Values;
        Assert.All(Enumerable.Range(0, left.Length), i => Assert.Equal(expected[i], merged[i], 1e-12));
    }

    [Fact]
    public void OloraOfDependentColumnsIsRefused()
    {
        using TempFolder temp = new();
        SafetensorsBytes.Write(temp["base", "model.safetensors"], new TestTensor("x.weight", DType.F32, [3, 3], [1, 2, 0, 2, 4, 1, 3, 6, 5]));
        PeftFolder folder = new(temp["adapter"], 2, 2);
        folder.Config["init_lora_weights"] = "olora";
        folder.Linear("x", 3, 3, new Random(1));
        UnsupportedException error = Assert.Throws<UnsupportedException>(() => Merge(temp, folder.Save()));
        Assert.Contains("depend on each other", error.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(temp["out"]));
    }

    [Theory]
    [InlineData(null, AttentionOutput.OfVersion, 2)]
    [InlineData("0.15.0", AttentionOutput.OfVersion, 2)]
    [InlineData("0.20.1.dev0@1f2e3d", AttentionOutput.OfVersion, 2)]
    [InlineData("0.21.0", AttentionOutput.OfVersion, 2)]
    [InlineData("0.22.0", AttentionOutput.OfVersion, 1)]
    [InlineData("0.20.0", AttentionOutput.Once, 1)]
    [InlineData("0.22.0", AttentionOutput.Twice, 2)]
    public void MultiheadAttention(string? version, AttentionOutput said, int times)
    {
        using TempFolder temp = new();
        Random random = new(21);
        TestTensor[] weights = [Merging.Random("m.attn.in_proj_weight", DType.F32, random, 15, 5), Merging.Random("m.attn.out_proj.weight", DType.F32, random, 5, 5)];
        SafetensorsBytes.Write(temp["base", "model.safetensors"], weights);
        PeftFolder folder = new(temp["adapter"], 3, 6);
        if (version is not null) folder.Config["peft_version"] = version;
        // Rank and scale of both are the attention's.
        folder.Config["alpha_pattern"] = JsonNode.Parse("""{ "m.attn": 12, "out_proj": 99 }""");
        folder.Config["target_modules"] = new JsonArray("attn");
        (double[] a, double[] b) = folder.Linear("m.attn", 15, 5, random);
        (double[] outA, double[] outB) = folder.Linear("m.attn.base_layer.out_proj", 5, 5, random);
        MergeOptions options = Merging.Options(temp["base"], folder.Save(), temp["out"]);
        AdapterReadOptions reading = new() { AttentionOutput = said };
        Merging.Run(options with { Adapters = [new(folder.Path) { Reading = reading }] });
        var merged = SafetensorsBytes.Read(temp["out", "model.safetensors"]);
        double[] input = Sum(weights[0].Values, a, b, 3, 5, 4), output = Sum(weights[1].Values, outA, outB, 3, 5, 4 * times);
        Assert.All(Enumerable.Range(0, 75), i => Assert.Equal(input[i], merged["m.attn.in_proj_weight"].Values[i], 1e-5));
        Assert.All(Enumerable.Range(0, 25), i => Assert.Equal(output[i], merged["m.attn.out_proj.weight"].Values[i], 1e-5));
        using Adapter adapter = AdapterLayouts.Open(folder.Path, reading);
        AdapterIssue issue = Assert.Single(adapter.Issues, issue => issue.Code == "attention_output");
        Assert.Contains(times == 2 ? "twice" : "once", issue.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(adapter.Issues, issue => issue.Code == "untargeted_module");
    }

    /// <summary>Kernels of one point, with or without their ones, and one that is long in its last dimension alone.</summary>
    [Theory]
    [InlineData(new long[] { 7, 5 }, new long[] { 1, 1 })]
    [InlineData(new long[] { 7, 5, 1, 1 }, new long[0])]
    [InlineData(new long[] { 7, 5, 1, 1, 1 }, new long[] { 1, 1, 1 })]
    [InlineData(new long[] { 7, 5, 1, 1, 3 }, new long[] { 1, 1, 3 })]
    [InlineData(new long[] { 7, 5, 1, 3 }, new long[] { 1, 3 })]
    public void Kernels(long[] shape, long[] kernel)
    {
        using TempFolder temp = new();
        Random random = new(22);
        TestTensor weight = Merging.Random("x.weight", DType.F32, random, shape);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], weight);
        int columns = weight.Values.Length / 7;
        PeftFolder folder = new(temp["adapter"], 2, 3);
        double[] a = PeftFolder.Values(random, 2 * columns, DType.F32), b = PeftFolder.Values(random, 14, DType.F32);
        folder.Add("base_model.model.x.lora_A.weight", DType.F32, [2, 5, .. kernel], a);
        folder.Add("base_model.model.x.lora_B.weight", DType.F32, [7, 2, .. kernel.Select(_ => 1L)], b);
        double[] merged = Merge(temp, folder.Save())["x.weight"].Values, expected = Sum(weight.Values, a, b, 2, columns, 1.5);
        Assert.All(Enumerable.Range(0, merged.Length), i => Assert.Equal(expected[i], merged[i], 1e-5));
    }

    /// <summary>ComfyUI's norm changes what is merged, and the record of the merge knows.</summary>
    [Fact]
    public void TheBaseNormIsAnOption()
    {
        using TempFolder temp = new();
        Random random = new(23);
        TestTensor weight = Merging.Random("x.weight", DType.F32, random, 6, 5);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], weight);
        PeftFolder folder = new(temp["adapter"], 2, 3);
        folder.Config["use_dora"] = true;
        (double[] a, double[] b) = folder.Linear("x", 6, 5, random);
        double[] m = PeftFolder.Values(random, 6, DType.F32);
        folder.Add("base_model.model.x.lora_magnitude_vector", DType.F32, [6], m);
        AdapterInput input = new(folder.Save()) { Reading = new() { DoraNorm = DoraNorm.Base } };
        Merging.Run(Merging.Options(temp["base"], folder.Path, temp["out"]) with { Adapters = [input] });
        double[] merged = SafetensorsBytes.Read(temp["out", "model.safetensors"])["x.weight"].Values, updated = Sum(weight.Values, a, b, 2, 5, 1.5);
        Assert.All(Enumerable.Range(0, 30), i => Assert.Equal(m[i / 5] * updated[i] / Length(weight.Values.AsSpan(i / 5 * 5, 5)), merged[i], 1e-5));
    }

    private static void AssertMerged(TempFolder temp, string backend, IReadOnlyList<AdapterInput> inputs, TestTensor[] weights, double[][] expected)
    {
        using ICompute compute = ComputeBackends.Create(backend);
        Merging.Run(new() { Base = temp["base"], Adapters = inputs, Output = temp["out"], Flush = false, TileBytes = 256 }, compute);
        var merged = SafetensorsBytes.Read(temp["out", "model.safetensors"]);
        foreach ((TestTensor weight, double[] values) in weights.Zip(expected))
        {
            Merging.AssertClose(values, [.. values.Select(x => Math.Abs(x) + 4)], merged[weight.Name].Values, weight.DType, terms: 16);
        }
    }

    private static Dictionary<string, (DType DType, TensorShape Shape, double[] Values)> Merge(TempFolder temp, string adapter)
    {
        Merging.Run(Merging.Options(temp["base"], adapter, temp["out"]) with { TileBytes = 256 });
        return SafetensorsBytes.Read(temp["out", "model.safetensors"]);
    }

    private static double[] Sum(double[] w, double[] a, double[] b, int rank, int columns, double scale)
    {
        double[] sum = [.. w];
        for (int i = 0; i < w.Length; i++)
        {
            for (int k = 0; k < rank; k++) sum[i] += scale * b[(i / columns * rank) + k] * a[(k * columns) + (i % columns)];
        }

        return sum;
    }

    private static double Length(ReadOnlySpan<double> values)
    {
        double sum = 0;
        foreach (double value in values) sum += value * value;
        return Math.Sqrt(sum);
    }

    private static double[] Turned(double[] values, int rows, int columns) => [.. Enumerable.Range(0, values.Length).Select(i => values[(i % rows * columns) + (i / rows)])];

    private static double[][] Orthonormal(Random random, int length, int count) =>
        GramSchmidt([.. Enumerable.Range(0, count).Select(_ => Enumerable.Range(0, length).Select(_ => random.NextDouble() - 0.5).ToArray())]);

    private static double[][] GramSchmidt(double[][] columns)
    {
        for (int k = 0; k < columns.Length; k++)
        {
            for (int pass = 0; pass < 2; pass++)
            {
                for (int j = 0; j < k; j++)
                {
                    double share = columns[k].Zip(columns[j], (x, y) => x * y).Sum();
                    for (int i = 0; i < columns[k].Length; i++) columns[k][i] -= share * columns[j][i];
                }
            }

            double length = Length(columns[k]);
            for (int i = 0; i < columns[k].Length; i++) columns[k][i] /= length;
        }

        return columns;
    }
}
