using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Tests.Compute;
using LoraKit.Ops.Tests.Unmerge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge.Pipelines;

/// <summary>Every kind that LyCORIS has, into a base by the other naming: what the same file makes of a base by its own names, row by row.</summary>
public class KindBaseTests
{
    private const int Columns = 6;

    private static readonly PipelineWeight[] Weights =
    [
        new("double_blocks.0.img_attn.qkv.", ["transformer_blocks.0.attn.to_q.", "transformer_blocks.0.attn.to_k.", "transformer_blocks.0.attn.to_v."], [6, 6, 6], [Columns]),
        new("single_blocks.0.linear1.",
            ["single_transformer_blocks.0.attn.to_q.", "single_transformer_blocks.0.attn.to_k.", "single_transformer_blocks.0.attn.to_v.", "single_transformer_blocks.0.proj_mlp."],
            [6, 6, 6, 12], [Columns]),
        new("final_layer.adaLN_modulation.1.", ["norm_out.linear."], [12], [Columns]) { IsSwapped = true },
        new("img_in.", ["x_embedder."], [6], [Columns]),
    ];

    public static IEnumerable<TheoryDataRow<string, bool, DType>> Cases() =>
        from kind in (string[])["lora", "loha", "lokr", "full", "bias", "dora", "dora-input", "loha-dora", "glora", "oft", "boft", "ia3"]
        from isOriginal in (bool[])[false, true]
        from dtype in (DType[])[DType.F32, DType.BF16]
        select new TheoryDataRow<string, bool, DType>(kind, isOriginal, dtype);

    [Theory]
    [MemberData(nameof(Cases))]
    public void IntoTheOtherNaming(string kind, bool isOriginal, DType dtype)
    {
        using TempFolder temp = new();
        Random random = new(21);
        WriteBase(temp["original.safetensors"], true, dtype);
        WriteBase(temp["diffusers.safetensors"], false, dtype);
        List<TestTensor> tensors = [];
        foreach (PipelineWeight weight in Weights)
        {
            (string Name, int Rows)[] modules = isOriginal ? [(weight.Original, weight.AllRows)] : [.. weight.Diffusers.Zip(weight.Rows)];
            foreach ((string name, int rows) in modules) tensors.AddRange(Update(kind, (isOriginal ? "lora_unet_" : "lora_transformer_") + name[..^1].Replace('.', '_'), rows, random));
        }

        SafetensorsBytes.Write(temp["adapter.safetensors"], tensors);
        (string own, string other) = isOriginal ? ("original", "diffusers") : ("diffusers", "original");
        foreach (string backend in ComputeBackends.Names.Select(row => row.Data).TakeLast(2))
        {
            using ICompute compute = ComputeBackends.Create(backend);
            var expected = Values(Merge(temp, own, compute), isOriginal);
            var actual = Values(Merge(temp, other, compute), !isOriginal);
            var before = Values(temp[$"{own}.safetensors"], isOriginal);
            Assert.Equal(expected.Keys, actual.Keys);
            foreach ((string name, double[] values) in expected)
            {
                Assert.Equal(kind == "bias" == name.EndsWith("bias", StringComparison.Ordinal), !before[name].SequenceEqual(values));
                // One arithmetic sums in one order: rows of zeros add nothing.
                if (backend.StartsWith("simd", StringComparison.Ordinal)) Assert.Equal(values, actual[name]);
                else Assert.All(values.Zip(actual[name]), pair => Assert.Equal(pair.First, pair.Second, dtype == DType.F32 ? 1e-5 : 0.04));
            }
        }
    }

    [Theory]
    [InlineData("lora", true)]
    [InlineData("dora", true)]
    [InlineData("lokr", true)]
    [InlineData("full", false)]
    [InlineData("oft", false)]
    [InlineData("bias", false)]
    public void IsTakenBack(string kind, bool isOriginal)
    {
        using TempFolder temp = new();
        Random random = new(22);
        WriteBase(temp["base", "model.safetensors"], !isOriginal, DType.F16);
        SafetensorsBytes.Write(temp["adapter.safetensors"], [.. Weights.SelectMany(w => (isOriginal ? [(w.Original, w.AllRows)] : w.Diffusers.Zip(w.Rows)).SelectMany(
            m => Update(kind, (isOriginal ? "lora_unet_" : "lora_transformer_") + m.Item1[..^1].Replace('.', '_'), m.Item2, random)))]);
        Restoring.RoundTrip(temp, Merging.Options(temp["base"], temp["adapter.safetensors"], temp["out"]) with { TileBytes = 256 });
    }

    private static string Merge(TempFolder temp, string @base, ICompute compute)
    {
        string output = temp[$"{@base}-merged-{Guid.NewGuid():N}.safetensors"];
        Merging.Run(new() { Base = temp[$"{@base}.safetensors"], Adapters = [new(temp["adapter.safetensors"], 0.75)], Output = output, Flush = false, TileBytes = 256 }, compute);
        return output;
    }

    private static IEnumerable<(PipelineWeight Weight, string Parameter)> Parameters() => Weights.SelectMany(w => new[]
    {
        (w with { Original = w.Original + "weight", Diffusers = [.. w.Diffusers.Select(d => d + "weight")] }, "weight"),
        (w with { Original = w.Original + "bias", Diffusers = [.. w.Diffusers.Select(d => d + "bias")], Rest = [] }, "bias"),
    });

    private static void WriteBase(string path, bool isOriginal, DType dtype)
    {
        Random random = new(23);
        SafetensorsBytes.Write(path, [.. Parameters().SelectMany(p =>
        {
            double[] values = PeftFolder.Values(random, p.Weight.AllRows * p.Weight.Columns, dtype);
            return isOriginal ? [p.Weight.AsOriginal("", dtype, values)] : p.Weight.AsDiffusers("", dtype, values);
        })]);
    }

    /// <summary>Every parameter in the original's order.</summary>
    private static Dictionary<string, double[]> Values(string path, bool isOriginal)
    {
        var read = SafetensorsBytes.Read(path);
        return Parameters().ToDictionary(p => p.Weight.Original, p => isOriginal ? read[p.Weight.Original].Values : p.Weight.FromDiffusers(name => read[name].Values));
    }

    private static IEnumerable<TestTensor> Update(string kind, string module, int rows, Random random)
    {
        const int rank = 2;
        TestTensor T(string name, params long[] shape) => Merging.Random($"{module}.{name}", DType.F32, random, shape);
        TestTensor alpha = new($"{module}.alpha", DType.F32, [], [3]);
        TestTensor[] lora = [T("lora_down.weight", rank, Columns), T("lora_up.weight", rows, rank), alpha];
        TestTensor[] loha = [T("hada_w1_a", rows, rank), T("hada_w1_b", rank, Columns), T("hada_w2_a", rows, rank), T("hada_w2_b", rank, Columns), alpha];
        return kind switch
        {
            "lora" => lora,
            "loha" => loha,
            "lokr" => [T("lokr_w1", 3, 2), T("lokr_w2", rows / 3, 3)],
            "full" => [T("diff", rows, Columns)],
            "bias" => [T("diff_b", rows)],
            "dora" => [.. lora, T("dora_scale", rows, 1)],
            "dora-input" => [.. lora, T("dora_scale", 1, Columns)],
            "loha-dora" => [.. loha, T("dora_scale", rows, 1)],
            "glora" => [T("a1.weight", Columns, rank), T("a2.weight", rank, Columns), T("b1.weight", rows, rank), T("b2.weight", rank, Columns), alpha],
            "oft" => [T("oft_blocks", rows / 3, 3, 3), new($"{module}.alpha", DType.F32, [], [0])],
            "boft" => [T("oft_blocks", 1, rows / 2, 2, 2), new($"{module}.alpha", DType.F32, [], [0])],
            "ia3" => [T("weight", rows, 1), new($"{module}.on_input", DType.F32, [1], [0])],
            _ => throw new ArgumentOutOfRangeException(nameof(kind)),
        };
    }
}
