using System.Text.Json.Nodes;
using LoraKit.Formats;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Merge;
using LoraKit.Ops.Tests.Compute;
using LoraKit.Ops.Tests.Unmerge;
using LoraKit.Ops.Unmerge;
using LoraKit.Ops.Verify;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge;

/// <summary>LoRA on stacks of experts: Δₑ = s·Bₑ·Aₑ, against loops written from PEFT's einsum, for each way to store the stack and the columns of B.</summary>
public class ExpertsTests
{
    private const int Experts = 3;
    private const int Rank = 2;
    private const double Alpha = 5;
    private const double Scale = Alpha / Rank;

    public static TheoryData<string, DType, bool, ExpertColumns> Cases()
    {
        TheoryData<string, DType, bool, ExpertColumns> cases = [];
        foreach (string backend in ComputeBackends.Names)
        {
            foreach (bool inOut in (bool[])[false, true])
            {
                cases.Add(backend, DType.F32, inOut, ExpertColumns.RankMajor);
                cases.Add(backend, DType.BF16, inOut, ExpertColumns.ExpertMajor);
                cases.Add(backend, DType.F16, inOut, ExpertColumns.RankMajor);
                cases.Add(backend, DType.F64, inOut, ExpertColumns.ExpertMajor);
            }
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void EveryExpertGetsItsOwn(string backend, DType dtype, bool inOut, ExpertColumns order)
    {
        using TempFolder temp = new();
        using ICompute compute = ComputeBackends.Create(backend);
        Random random = new(3);
        (int outputs, int inputs) = (37, 53);
        TestTensor stack = Merging.Random("layers.0.mlp.experts.gate_up_proj", dtype, random, inOut ? [Experts, inputs, outputs] : [Experts, outputs, inputs]);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], stack, Merging.Random("norm.weight", dtype, random, 5));
        PeftFolder one = Adapter(temp["one"], ["experts.gate_up_proj"]), two = Adapter(temp["two"], ["experts.gate_up_proj"]);
        var first = Factors(one, "layers.0.mlp.experts", outputs, inputs, random);
        var second = Factors(two, "layers.0.mlp.experts", outputs, inputs, random);
        AdapterReadOptions reading = new() { ExpertColumns = order };
        MergeOptions options = Merging.Options(temp["base"], "", temp["out"]) with
        {
            Adapters = [new(one.Save(), 1.5) { Reading = reading }, new(two.Save(), -0.25) { Reading = reading }],
            TileBytes = 256,
            UndoBlockElements = 100,
        };
        Restoring.RoundTrip(temp, options, compute: compute);

        double[] expected = [.. stack.Values], magnitudes = [.. stack.Values.Select(Math.Abs)];
        Add(first, 1.5, outputs, inputs, inOut, order, expected, magnitudes);
        Add(second, -0.25, outputs, inputs, inOut, order, expected, magnitudes);
        Merging.AssertClose(expected, magnitudes, SafetensorsBytes.Read(temp["out", "model.safetensors"])[stack.Name].Values, dtype, 2 * Rank);
        Assert.Empty(Verification.Run(new(temp["out"]) { Base = temp["base"], Adapters = options.Adapters, TileElements = 100 }).Findings);

        UnmergeReport subtracted = Restoring.Run(new() { Merged = temp["out"], Adapters = options.Adapters, Output = temp["less"], Flush = false, TileBytes = 256 });
        double[] back = SafetensorsBytes.Read(temp["less", "model.safetensors"])[stack.Name].Values;
        int wrong = back.Zip(stack.Values).Count(pair => pair.First != pair.Second);
        Assert.True(wrong <= subtracted.MayDiffer, $"{wrong} differ, {subtracted.MayDiffer} may");
    }

    /// <summary>Where a stack is square, versions before 0.19.1 took it for [E, in, out]; others say nothing of it, and no other stack does.</summary>
    [Theory]
    [InlineData(null, true)]
    [InlineData("0.18.0", true)]
    [InlineData("0.19.0", true)]
    [InlineData("0.19.1", false)]
    [InlineData("0.20.1.dev0@abc", false)]
    [InlineData("1.0", false)]
    public void ASquareStackIsAsTheVersionTookIt(string? version, bool inOut)
    {
        using TempFolder temp = new();
        Random random = new(3);
        TestTensor stack = Merging.Random("mlp.experts.down_proj", DType.F64, random, Experts, 7, 7);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], stack);
        PeftFolder adapter = Adapter(temp["adapter"], ["experts.down_proj"]);
        adapter.Config["peft_version"] = version;
        var factors = Factors(adapter, "mlp.experts", 7, 7, random);
        AssertStack(temp, adapter, stack, factors, 7, 7, inOut);
    }

    /// <summary>The other stack of the block tells how the base stores them, or how the file takes them.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void ASquareStackFollowsTheOther(bool adapterHasBoth)
    {
        using TempFolder temp = new();
        Random random = new(3);
        TestTensor stack = Merging.Random("mlp.experts.down_proj", DType.F64, random, Experts, 7, 7);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], stack, Merging.Random("mlp.experts.gate_up_proj", DType.F64, random, Experts, 7, 14));
        PeftFolder adapter = Adapter(temp["adapter"], adapterHasBoth ? ["experts.down_proj", "experts.gate_up_proj"] : ["experts.down_proj"]);
        adapter.Config["peft_version"] = "0.20.0";
        var factors = Factors(adapter, "mlp.experts", 7, 7, random);
        if (adapterHasBoth) Factors(adapter, "mlp.experts.base_layer", 14, 7, random);
        AssertStack(temp, adapter, stack, factors, 7, 7, inOut: true);
    }

    /// <summary>Which factors are whose is seen from the shapes, whatever the order of the names.</summary>
    [Theory]
    [InlineData("experts.base_layer", "experts")]
    [InlineData("experts", "experts.base_layer")]
    public void ShapesTellParametersApart(string ofIn, string ofOut)
    {
        using TempFolder temp = new();
        Random random = new(3);
        TestTensor first = Merging.Random("mlp.experts.input", DType.F64, random, Experts, 10, 6), second = Merging.Random("mlp.experts.result", DType.F64, random, Experts, 6, 5);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], first, second);
        PeftFolder adapter = Adapter(temp["adapter"], ["experts.input", "mlp.experts.result"]);
        adapter.Config["rank_pattern"] = new JsonObject { ["experts.result"] = 1 };
        adapter.Config["alpha_pattern"] = new JsonObject { [".*result"] = 3 };
        var input = Factors(adapter, $"mlp.{ofIn}", 10, 6, random);
        var result = Factors(adapter, $"mlp.{ofOut}", 6, 5, random, rank: 1);
        Restoring.RoundTrip(temp, Merging.Options(temp["base"], adapter.Save(), temp["out"]));
        var merged = SafetensorsBytes.Read(temp["out", "model.safetensors"]);
        double[] expected = [.. first.Values], magnitudes = [.. first.Values.Select(v => Math.Abs(v) + 9)];
        Add(input, 1, 10, 6, false, ExpertColumns.RankMajor, expected, magnitudes);
        Merging.AssertClose(expected, magnitudes, merged[first.Name].Values, DType.F64, Rank);
        expected = [.. second.Values];
        magnitudes = [.. second.Values.Select(v => Math.Abs(v) + 9)];
        Add(result, 1, 6, 5, false, ExpertColumns.RankMajor, expected, magnitudes, rank: 1, scale: 3);
        Merging.AssertClose(expected, magnitudes, merged[second.Name].Values, DType.F64, 1);
    }

    [Fact]
    public void ShapesThatFitTwoWaysAreRefused()
    {
        using TempFolder temp = new();
        Random random = new(3);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], Merging.Random("x.experts.a", DType.F32, random, 3, 6, 5), Merging.Random("x.experts.b", DType.F32, random, 3, 5, 6));
        PeftFolder adapter = Adapter(temp["adapter"], ["experts.a", "experts.b"]);
        Factors(adapter, "x.experts", 6, 5, random);
        Factors(adapter, "x.experts.base_layer", 5, 6, random);
        Assert.Contains("more than one way", Failure(temp, adapter));
    }

    /// <summary>Those of transformers are registered in a known order.</summary>
    [Fact]
    public void TheKnownOrderDecidesBetweenLikeShapes()
    {
        using TempFolder temp = new();
        Random random = new(3);
        TestTensor up = Merging.Random("x.experts.gate_up_proj", DType.F64, random, 3, 6, 5), down = Merging.Random("x.experts.down_proj", DType.F64, random, 3, 5, 6);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], up, down);
        PeftFolder adapter = Adapter(temp["adapter"], ["experts.down_proj", "experts.gate_up_proj"]);
        adapter.Config["peft_version"] = "0.20.0";
        var outer = Factors(adapter, "x.experts", 5, 6, random);
        Factors(adapter, "x.experts.base_layer", 6, 5, random);
        AssertStack(temp, adapter, down, outer, 5, 6, inOut: false);
    }

    [Fact]
    public void AMatrixUnderTargetParametersIsPlainLora()
    {
        using TempFolder temp = new();
        Random random = new(3);
        TestTensor router = Merging.Random("layers.0.mlp.gate.weight", DType.F64, random, 3, 7);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], router);
        PeftFolder adapter = Adapter(temp["adapter"], ["gate.weight"]);
        (double[] a, double[] b) = adapter.Linear("layers.0.mlp.gate", 3, 7, random);
        Restoring.RoundTrip(temp, Merging.Options(temp["base"], adapter.Save(), temp["out"]));
        double[] expected = [.. router.Values], magnitudes = [.. router.Values.Select(v => Math.Abs(v) + 9)];
        Oracle(expected, a, b, 3, 7);
        Merging.AssertClose(expected, magnitudes, SafetensorsBytes.Read(temp["out", "model.safetensors"])[router.Name].Values, DType.F64, Rank);
    }

    /// <summary>The factors of one expert are those of a matrix; the base's dimensions tell, and square ones are [out, in], as PEFT adds them.</summary>
    [Theory]
    [InlineData(5, 7, false, "0.20.0")]
    [InlineData(5, 7, true, "0.20.0")]
    [InlineData(7, 7, false, "0.20.0")]
    [InlineData(7, 7, false, "0.18.0")]
    public void AStackOfOneIsAStack(int outputs, int inputs, bool inOut, string version)
    {
        using TempFolder temp = new();
        Random random = new(3);
        TestTensor stack = Merging.Random("mlp.experts.down_proj", DType.F64, random, inOut ? [1, inputs, outputs] : [1, outputs, inputs]);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], stack);
        PeftFolder adapter = Adapter(temp["adapter"], ["experts.down_proj"]);
        adapter.Config["peft_version"] = version;
        (double[] a, double[] b) = adapter.Linear("mlp.experts", outputs, inputs, random);
        AssertOne(temp, adapter, stack, a, b, outputs, inputs, inOut);
    }

    /// <summary>Two stacks of one whose factors would fit both ways.</summary>
    [Fact]
    public void TheKnownOrderDecidesBetweenStacksOfOne()
    {
        using TempFolder temp = new();
        Random random = new(3);
        TestTensor up = Merging.Random("x.experts.gate_up_proj", DType.F64, random, 1, 6, 6), down = Merging.Random("x.experts.down_proj", DType.F64, random, 1, 6, 6);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], up, down);
        PeftFolder adapter = Adapter(temp["adapter"], ["experts.down_proj", "experts.gate_up_proj"]);
        (double[] a, double[] b) = adapter.Linear("x.experts", 6, 6, random);
        adapter.Linear("x.experts.base_layer", 6, 6, random);
        AssertOne(temp, adapter, down, a, b, 6, 6, inOut: false);
    }

    /// <summary>One expert by itself in the base.</summary>
    [Fact]
    public void AStackOfOneGoesToASingleExpert()
    {
        using TempFolder temp = new();
        Random random = new(3);
        TestTensor single = Merging.Random("mlp.experts.0.down_proj.weight", DType.F64, random, 5, 7);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], single);
        PeftFolder adapter = Adapter(temp["adapter"], ["experts.down_proj"]);
        (double[] a, double[] b) = adapter.Linear("mlp.experts", 5, 7, random);
        adapter.Config["peft_version"] = "0.20.0";
        AssertOne(temp, adapter, single, a, b, 5, 7, inOut: false);
    }

    /// <summary>Adapters inside each other are all added.</summary>
    [Fact]
    public void NestedAdaptersAreAdded()
    {
        using TempFolder temp = new();
        Random random = new(3);
        TestTensor weight = Merging.Random("q.weight", DType.F64, random, 5, 7);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], weight);
        PeftFolder adapter = new(temp["adapter"], Rank, Alpha);
        double[] expected = [.. weight.Values], magnitudes = [.. weight.Values.Select(v => Math.Abs(v) + 20)];
        foreach (string module in (string[])["q", "q.base_layer", "q.base_layer.base_layer"])
        {
            (double[] a, double[] b) = adapter.Linear(module, 5, 7, random);
            Oracle(expected, a, b, 5, 7);
        }

        Restoring.RoundTrip(temp, Merging.Options(temp["base"], adapter.Save(), temp["out"]));
        Merging.AssertClose(expected, magnitudes, SafetensorsBytes.Read(temp["out", "model.safetensors"])["q.weight"].Values, DType.F64, 3 * Rank);
    }

    [Theory]
    [InlineData(7, 5, 6, "no stack of factors")]
    [InlineData(6, 5, 8, "do not chain")]
    public void FactorsThatAreNoStackAreRefused(int rowsOfA, int inputs, int columnsOfB, string what)
    {
        using TempFolder temp = new();
        Random random = new(3);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], Merging.Random("x.experts.down_proj", DType.F32, random, 3, 4, 5));
        PeftFolder adapter = Adapter(temp["adapter"], ["experts.down_proj"]);
        adapter.Add("base_model.model.x.experts.lora_A.weight", DType.F32, [rowsOfA, inputs], new double[rowsOfA * inputs]);
        adapter.Add("base_model.model.x.experts.lora_B.weight", DType.F32, [4, columnsOfB], new double[4 * columnsOfB]);
        Assert.Contains(what, Assert.Throws<InvalidAdapterException>(() => Merging.Run(Merging.Options(temp["base"], adapter.Save(), temp["out"]))).Message);
    }

    [Theory]
    [InlineData(3, 4, 6)]
    [InlineData(2, 4, 5)]
    [InlineData(4, 4, 5)]
    public void AStackOfAnotherShapeIsRefused(int experts, int rows, int columns)
    {
        using TempFolder temp = new();
        Random random = new(3);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], Merging.Random("x.experts.down_proj", DType.F32, random, experts, rows, columns));
        PeftFolder adapter = Adapter(temp["adapter"], ["experts.down_proj"]);
        Factors(adapter, "x.experts", 4, 5, random);
        Assert.Contains("needs [3, 4, 5]", Failure(temp, adapter));
    }

    [Fact]
    public void MoreWrappersThanParametersAreRefused()
    {
        using TempFolder temp = new();
        Random random = new(3);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], Merging.Random("x.experts.down_proj", DType.F32, random, 3, 4, 5));
        PeftFolder adapter = Adapter(temp["adapter"], ["experts.down_proj"]);
        Factors(adapter, "x.experts.base_layer", 4, 5, random);
        Assert.Contains("1 wrappers deep", Assert.Throws<InvalidAdapterException>(() => Merging.Run(Merging.Options(temp["base"], adapter.Save(), temp["out"]))).Message);
    }

    private static string Failure(TempFolder temp, PeftFolder adapter)
    {
        string message = Assert.Throws<TargetMismatchException>(() => Merging.Run(Merging.Options(temp["base"], adapter.Save(), temp["out"]))).Message;
        Assert.False(Path.Exists(temp["out"]));
        return message;
    }

    private static void AssertStack(TempFolder temp, PeftFolder adapter, TestTensor stack, (double[] A, double[] B) factors, int outputs, int inputs, bool inOut)
    {
        Restoring.RoundTrip(temp, Merging.Options(temp["base"], adapter.Save(), temp["out"]));
        double[] expected = [.. stack.Values], magnitudes = [.. stack.Values.Select(v => Math.Abs(v) + 9)];
        Add(factors, 1, outputs, inputs, inOut, ExpertColumns.RankMajor, expected, magnitudes);
        Merging.AssertClose(expected, magnitudes, SafetensorsBytes.Read(temp["out", "model.safetensors"])[stack.Name].Values, DType.F64, Rank);
    }

    private static void AssertOne(TempFolder temp, PeftFolder adapter, TestTensor weight, double[] a, double[] b, int outputs, int inputs, bool inOut)
    {
        Restoring.RoundTrip(temp, Merging.Options(temp["base"], adapter.Save(), temp["out"]));
        double[] update = new double[outputs * inputs], magnitudes = [.. weight.Values.Select(v => Math.Abs(v) + 9)];
        Oracle(update, a, b, outputs, inputs);
        double[] expected = [.. weight.Values.Select((v, at) => v + update[inOut ? (at % outputs * inputs) + (at / outputs) : at])];
        Merging.AssertClose(expected, magnitudes, SafetensorsBytes.Read(temp["out", "model.safetensors"])[weight.Name].Values, DType.F64, Rank);
    }

    private static PeftFolder Adapter(string folder, string[] parameters)
    {
        PeftFolder adapter = new(folder, Rank, Alpha);
        adapter.Config["target_modules"] = new JsonArray();
        adapter.Config["target_parameters"] = new JsonArray([.. parameters.Select(p => (JsonNode)p)]);
        return adapter;
    }

    private static (double[] A, double[] B) Factors(PeftFolder adapter, string module, int outputs, int inputs, Random random, int rank = Rank)
    {
        double[] a = PeftFolder.Values(random, Experts * rank * inputs, DType.F32), b = PeftFolder.Values(random, outputs * Experts * rank, DType.F32);
        adapter.Add($"base_model.model.{module}.lora_A.weight", DType.F32, [Experts * rank, inputs], a);
        adapter.Add($"base_model.model.{module}.lora_B.weight", DType.F32, [outputs, Experts * rank], b);
        return (a, b);
    }

    private static void Oracle(double[] values, double[] a, double[] b, int outputs, int inputs)
    {
        for (int o = 0; o < outputs; o++)
        {
            for (int i = 0; i < inputs; i++)
            {
                for (int r = 0; r < Rank; r++)
                {
                    values[(o * inputs) + i] += Scale * b[(o * Rank) + r] * a[(r * inputs) + i];
                }
            }
        }
    }

    private static void Add(
        (double[] A, double[] B) factors, double weight, int outputs, int inputs, bool inOut, ExpertColumns order, double[] sum, double[] magnitudes, int rank = Rank, double scale = Scale)
    {
        for (int e = 0; e < Experts; e++)
        {
            for (int o = 0; o < outputs; o++)
            {
                for (int i = 0; i < inputs; i++)
                {
                    int at = (e * outputs * inputs) + (inOut ? (i * outputs) + o : (o * inputs) + i);
                    for (int r = 0; r < rank; r++)
                    {
                        int column = order == ExpertColumns.RankMajor ? (r * Experts) + e : (e * rank) + r;
                        double term = weight * scale * factors.B[(o * Experts * rank) + column] * factors.A[(((e * rank) + r) * inputs) + i];
                        sum[at] += term;
                        magnitudes[at] += Math.Abs(term);
                    }
                }
            }
        }
    }
}
