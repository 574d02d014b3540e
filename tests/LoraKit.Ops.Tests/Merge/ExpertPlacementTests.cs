using System.Text.Json.Nodes;
using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Merge;
using LoraKit.Ops.Tests.Compute;
using LoraKit.Ops.Tests.Unmerge;
using LoraKit.Ops.Unmerge;
using LoraKit.Ops.Verify;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge;

/// <summary>Adapters made for experts by themselves on a base that stacks them, and the reverse.</summary>
public class ExpertPlacementTests
{
    private const int Experts = 3;
    private const int Rank = 2;
    private const double Scale = 2.5;
    private const double Weight = -1.5;
    private const int Hidden = 7;
    private const int Inner = 5;

    public static TheoryData<string, bool, string[], string, string> ToStacks()
    {
        TheoryData<string, bool, string[], string, string> cases = [];
        foreach (string backend in ComputeBackends.Names)
        {
            foreach (bool inOut in (bool[])[false, true])
            {
                cases.Add(backend, inOut, ["gate_proj", "up_proj", "down_proj"], "model.layers.0.mlp", "model.layers.0.mlp");
                cases.Add(backend, inOut, ["w1", "w3", "w2"], "model.layers.0.block_sparse_moe", "model.layers.0.mlp");
            }
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(ToStacks))]
    public void SingleExpertsGoIntoTheirPartOfTheStack(string backend, bool inOut, string[] leaves, string module, string block)
    {
        using TempFolder temp = new();
        using ICompute compute = ComputeBackends.Create(backend);
        Random random = new(5);
        TestTensor inner = Merging.Random($"{block}.experts.gate_up_proj", DType.F32, random, inOut ? [Experts, Hidden, 2 * Inner] : [Experts, 2 * Inner, Hidden]);
        TestTensor outer = Merging.Random($"{block}.experts.down_proj", DType.BF16, random, inOut ? [Experts, Inner, Hidden] : [Experts, Hidden, Inner]);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], inner, outer);
        PeftFolder adapter = new(temp["adapter"], Rank, Scale * Rank);
        double[] innerSum = [.. inner.Values], outerSum = [.. outer.Values];
        double[] innerSize = [.. inner.Values.Select(v => Math.Abs(v) + 9)], outerSize = [.. outer.Values.Select(v => Math.Abs(v) + 9)];
        // The last expert has no update.
        for (int e = 0; e < Experts - 1; e++)
        {
            for (int half = 0; half < 2; half++)
            {
                var (a, b) = adapter.Linear($"{module}.experts.{e}.{leaves[half]}", Inner, Hidden, random);
                Each(a, b, Inner, Hidden, (o, i, d) => innerSum[(e * 2 * Inner * Hidden) + (inOut ? (i * 2 * Inner) + (half * Inner) + o : (((half * Inner) + o) * Hidden) + i)] += d);
            }

            var (down, up) = adapter.Linear($"{module}.experts.{e}.{leaves[2]}", Hidden, Inner, random);
            Each(down, up, Hidden, Inner, (o, i, d) => outerSum[(e * Inner * Hidden) + (inOut ? (i * Hidden) + o : (o * Inner) + i)] += d);
        }

        AssertMerged(temp, adapter, compute, (inner, innerSum, innerSize), (outer, outerSum, outerSize));
    }

    [Theory]
    [InlineData(false, "gate_proj", "up_proj", "down_proj", "mlp", "0.20.0")]
    [InlineData(false, "w1", "w3", "w2", "block_sparse_moe", "0.20.0")]
    [InlineData(true, "w1", "w3", "w2", "block_sparse_moe", "0.18.0")]
    public void AStackGoesToItsExperts(bool turned, string gate, string through, string outward, string block, string version)
    {
        using TempFolder temp = new();
        using SimdCompute compute = new();
        Random random = new(5);
        PeftFolder adapter = new(temp["adapter"], Rank, Scale * Rank);
        adapter.Config["target_parameters"] = new JsonArray("mlp.experts.gate_up_proj", "mlp.experts.down_proj", "mlp.gate.weight");
        adapter.Config["peft_version"] = version;
        var inner = Factors(adapter, "model.layers.0.mlp.experts.base_layer", 2 * Inner, Hidden, turned, random);
        var outer = Factors(adapter, "model.layers.0.mlp.experts", Hidden, Inner, turned, random);
        var router = adapter.Linear("model.layers.0.mlp.gate", Experts, Hidden, random);
        List<(TestTensor Tensor, double[] Sum, double[] Size)> all = [];
        for (int e = 0; e < Experts; e++)
        {
            int expert = e;
            Expert(gate, Inner, Hidden, inner, 2 * Inner, 0);
            Expert(through, Inner, Hidden, inner, 2 * Inner, Inner);
            Expert(outward, Hidden, Inner, outer, Hidden, 0);

            void Expert(string leaf, int outputs, int inputs, (double[] A, double[] B) factors, int allOutputs, int first)
            {
                TestTensor tensor = Merging.Random($"model.layers.0.{block}.experts.{expert}.{leaf}.weight", DType.F32, random, outputs, inputs);
                double[] sum = [.. tensor.Values];
                for (int o = 0; o < outputs; o++)
                {
                    for (int i = 0; i < inputs; i++)
                    {
                        for (int r = 0; r < Rank; r++)
                        {
                            // The file's idea of in and out, as PEFT's einsum has it.
                            (int row, int column, int wide) = turned ? (i, first + o, allOutputs) : (first + o, i, inputs);
                            sum[(o * inputs) + i] += Weight * Scale * factors.B[(row * Experts * Rank) + (r * Experts) + expert] * factors.A[(((expert * Rank) + r) * wide) + column];
                        }
                    }
                }

                all.Add((tensor, sum, [.. tensor.Values.Select(v => Math.Abs(v) + 9)]));
            }
        }

        TestTensor gating = Merging.Random($"model.layers.0.{block}.gate.weight", DType.F32, random, Experts, Hidden);
        double[] gated = [.. gating.Values];
        Each(router.A, router.B, Experts, Hidden, (o, i, d) => gated[(o * Hidden) + i] += d);
        all.Add((gating, gated, [.. gating.Values.Select(v => Math.Abs(v) + 9)]));
        SafetensorsBytes.Write(temp["base", "model.safetensors"], [.. all.Select(t => t.Tensor)]);
        AssertMerged(temp, adapter, compute, [.. all]);
    }

    [Fact]
    public void MoreExpertsThanTheBaseHasAreRefused()
    {
        using TempFolder temp = new();
        Random random = new(5);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], Merging.Random("mlp.experts.down_proj", DType.F32, random, Experts, Hidden, Inner));
        PeftFolder adapter = new(temp["adapter"], Rank, 1);
        adapter.Linear("mlp.experts.3.down_proj", Hidden, Inner, random);
        Assert.Contains("expert 3", Failure(temp, adapter));
    }

    [Fact]
    public void AStackOfFewerExpertsThanTheBaseHasIsRefused()
    {
        using TempFolder temp = new();
        Random random = new(5);
        SafetensorsBytes.Write(
            temp["base", "model.safetensors"], [.. Enumerable.Range(0, 4).Select(e => Merging.Random($"mlp.experts.{e}.down_proj.weight", DType.F32, random, Hidden, Inner))]);
        PeftFolder adapter = new(temp["adapter"], Rank, 1);
        adapter.Config["target_parameters"] = new JsonArray("experts.down_proj");
        Factors(adapter, "mlp.experts", Hidden, Inner, false, random);
        Assert.Contains("make no such stack", Failure(temp, adapter));
    }

    [Fact]
    public void StacksAndSinglesOfOneTensorAreRefused()
    {
        using TempFolder temp = new();
        Random random = new(5);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], Merging.Random("mlp.experts.down_proj", DType.F32, random, Experts, Hidden, Inner));
        PeftFolder adapter = new(temp["adapter"], Rank, 1);
        adapter.Config["target_parameters"] = new JsonArray("experts.down_proj");
        Factors(adapter, "mlp.experts", Hidden, Inner, false, random);
        adapter.Linear("mlp.experts.1.down_proj", Hidden, Inner, random);
        Assert.Contains("as a stack of experts and as single weights", Failure(temp, adapter));
    }

    /// <summary>One that fits both ways, with nothing beside it that tells.</summary>
    [Fact]
    public void ASquareExpertAloneIsAmbiguous()
    {
        using TempFolder temp = new();
        Random random = new(5);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], Merging.Random("mlp.experts.down_proj", DType.F32, random, Experts, 6, 6));
        PeftFolder adapter = new(temp["adapter"], Rank, 1);
        adapter.Linear("mlp.experts.1.down_proj", 6, 6, random);
        Assert.Contains("nothing says which", Failure(temp, adapter));
    }

    /// <summary>Two adapters of the two spellings are two updates.</summary>
    [Fact]
    public void TheTwoSpellingsOfTwoAdaptersAddUp()
    {
        using TempFolder temp = new();
        Random random = new(5);
        TestTensor stack = Merging.Random("mlp.experts.down_proj", DType.F64, random, Experts, Hidden, Inner);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], stack);
        PeftFolder one = new(temp["one"], Rank, Scale * Rank), two = new(temp["two"], Rank, Scale * Rank);
        one.Config["target_parameters"] = new JsonArray("experts.down_proj");
        var (a, b) = Factors(one, "mlp.experts", Hidden, Inner, false, random);
        var (down, up) = two.Linear("mlp.experts.1.down_proj", Hidden, Inner, random);
        double[] sum = [.. stack.Values];
        Each(down, up, Hidden, Inner, (o, i, d) => sum[(((1 * Hidden) + o) * Inner) + i] += d / Weight);
        for (int e = 0; e < Experts; e++)
        {
            for (int o = 0; o < Hidden; o++)
            {
                for (int i = 0; i < Inner; i++)
                {
                    for (int r = 0; r < Rank; r++)
                    {
                        sum[(((e * Hidden) + o) * Inner) + i] += Scale * b[(o * Experts * Rank) + (r * Experts) + e] * a[(((e * Rank) + r) * Inner) + i];
                    }
                }
            }
        }

        Restoring.RoundTrip(temp, Merging.Options(temp["base"], "", temp["out"]) with { Adapters = [new(one.Save()), new(two.Save())] });
        Merging.AssertClose(sum, [.. stack.Values.Select(v => Math.Abs(v) + 18)], SafetensorsBytes.Read(temp["out", "model.safetensors"])[stack.Name].Values, DType.F64, 2 * Rank);
    }

    private static void AssertMerged(TempFolder temp, PeftFolder adapter, ICompute compute, params (TestTensor Tensor, double[] Sum, double[] Size)[] expected)
    {
        MergeOptions options = Merging.Options(temp["base"], "", temp["out"]) with { Adapters = [new(adapter.Save(), Weight)], TileBytes = 256, UndoBlockElements = 50 };
        Restoring.RoundTrip(temp, options, compute: compute);
        var merged = SafetensorsBytes.Read(temp["out", "model.safetensors"]);
        foreach ((TestTensor tensor, double[] sum, double[] size) in expected)
        {
            Merging.AssertClose(sum, size, merged[tensor.Name].Values, tensor.DType, Rank);
        }

        Assert.Empty(Verification.Run(new(temp["out"]) { Base = temp["base"], Adapters = options.Adapters, TileElements = 40 }).Findings);
        UnmergeReport subtracted = Restoring.Run(new() { Merged = temp["out"], Adapters = options.Adapters, Output = temp["less"], Flush = false, TileBytes = 256 });
        var back = SafetensorsBytes.Read(temp["less", "model.safetensors"]);
        int wrong = expected.Sum(e => back[e.Tensor.Name].Values.Zip(e.Tensor.Values).Count(pair => pair.First != pair.Second));
        Assert.True(wrong <= subtracted.MayDiffer, $"{wrong} differ, {subtracted.MayDiffer} may");
    }

    private static string Failure(TempFolder temp, PeftFolder adapter)
    {
        string message = Assert.Throws<TargetMismatchException>(() => Merging.Run(Merging.Options(temp["base"], adapter.Save(), temp["out"]))).Message;
        Assert.False(Path.Exists(temp["out"]));
        return message;
    }

    /// <summary>A [E·r, in] and B [out, r·E], or with in and out exchanged.</summary>
    private static (double[] A, double[] B) Factors(PeftFolder adapter, string module, int outputs, int inputs, bool turned, Random random)
    {
        (int tall, int wide) = turned ? (inputs, outputs) : (outputs, inputs);
        double[] a = PeftFolder.Values(random, Experts * Rank * wide, DType.F32), b = PeftFolder.Values(random, tall * Experts * Rank, DType.F32);
        adapter.Add($"base_model.model.{module}.lora_A.weight", DType.F32, [Experts * Rank, wide], a);
        adapter.Add($"base_model.model.{module}.lora_B.weight", DType.F32, [tall, Experts * Rank], b);
        return (a, b);
    }

    /// <summary>w·s·B·A, element by element.</summary>
    private static void Each(double[] a, double[] b, int outputs, int inputs, Action<int, int, double> add)
    {
        for (int o = 0; o < outputs; o++)
        {
            for (int i = 0; i < inputs; i++)
            {
                double sum = 0;
                for (int r = 0; r < Rank; r++)
                {
                    sum += b[(o * Rank) + r] * a[(r * inputs) + i];
                }

                add(o, i, Weight * Scale * sum);
            }
        }
    }
}
