using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Tests.Compute;
using LoraKit.Ops.Tests.Unmerge;
using LoraKit.Ops.Verify;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge.PeftKinds;

/// <summary>PEFT's methods merged at weights of their own beside plain LoRA: W' = round(W + Σ wᵢ · ΔWᵢ(W)), against their definitions in whole matrices.</summary>
public class PeftKindTests
{
    private const double Weight = -0.75;

    private static readonly Dictionary<string, Func<Random, KindCase>> Kinds = KindCases.All.Concat(LowRankKindCases.All).ToDictionary();

    public static IEnumerable<TheoryDataRow<string, DType>> Types() =>
        Kinds.Keys.SelectMany(_ => (DType[])[DType.F32, DType.F64, DType.BF16, DType.F16], (kind, type) => new TheoryDataRow<string, DType>(kind, type));

    public static IEnumerable<TheoryDataRow<string, string>> Backends() =>
        Kinds.Keys.SelectMany(_ => ComputeBackends.Names, (kind, backend) => new TheoryDataRow<string, string>(kind, backend));

    public static IEnumerable<TheoryDataRow<string>> All() => Kinds.Keys.Select(kind => new TheoryDataRow<string>(kind));

    public static IEnumerable<TheoryDataRow<string>> NeedingTheBase() => Kinds.Where(kind => !kind.Value(new Random(1)).IsLowRank).Select(kind => new TheoryDataRow<string>(kind.Key));

    [Theory]
    [MemberData(nameof(Types))]
    public void EqualsItsDefinitionInEveryType(string kind, DType type) => Check(kind, type, new SimdCompute());

    [Theory]
    [MemberData(nameof(Backends))]
    public void EqualsItsDefinitionOnEveryBackend(string kind, string backend)
    {
        using ICompute compute = ComputeBackends.Create(backend);
        Check(kind, DType.F32, compute);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void ComesBackToTheBitAndIsVerified(string kind)
    {
        using TempFolder temp = new();
        Model model = new(temp, kind, DType.BF16);
        Restoring.RoundTrip(temp, model.Options with { TileBytes = 256, UndoBlockElements = 100 });
        Assert.Empty(Verification.Run(new(temp["out"]) { Base = temp["base"], Adapters = model.Options.Adapters, TileElements = 100 }).Findings);
    }

    [Theory]
    [MemberData(nameof(NeedingTheBase))]
    public void IsNotSubtractedWithoutTheBase(string kind)
    {
        using TempFolder temp = new();
        Model model = new(temp, kind, DType.F32);
        Merging.Run(model.Options);
        UnsupportedException refusal = Assert.Throws<UnsupportedException>(() => Restoring.Run(Restoring.Options(temp) with { UndoRecord = null, Adapters = model.Options.Adapters }));
        Assert.DoesNotContain('\n', refusal.Message);
        Assert.False(Directory.Exists(temp["restored"]));
    }

    /// <summary>A layer without the bias that the method would scale is no miss.</summary>
    [Theory]
    [InlineData("ia3 outputs")]
    [InlineData("road 2")]
    public void NeedsNoBias(string kind)
    {
        using TempFolder temp = new();
        KindCase method = Kinds[kind](new Random(5));
        TestTensor weight = Merging.Random("m.x.weight", DType.F64, new Random(6), method.Shape);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], weight);
        Merging.Run(Merging.Options(temp["base"], method.Save(temp["adapter"]), temp["out"]));
        double[] expected = method.Weight(new(method.Outputs, method.Inputs, weight.Values)).Values;
        Assert.All(expected.Zip(SafetensorsBytes.Read(temp["out", "model.safetensors"])["m.x.weight"].Values), p => Assert.Equal(p.First, p.Second, 1e-12));
    }

    private static void Check(string kind, DType type, ICompute compute)
    {
        using TempFolder temp = new();
        Model model = new(temp, kind, type);
        Merging.Run(model.Options with { TileBytes = 256 }, compute);
        var merged = SafetensorsBytes.Read(temp["out", "model.safetensors"]);
        foreach ((string name, double[] expected, double[] magnitudes) in model.Expected)
        {
            Merging.AssertClose(expected, magnitudes, merged[name].Values, type, terms: 60);
        }
    }

    /// <summary>A base of one module, an adapter of the method at a weight, and one of plain LoRA on the same weight.</summary>
    private sealed class Model
    {
        public Model(TempFolder temp, string kind, DType type)
        {
            Random random = new(kind.Length);
            KindCase method = Kinds[kind](random);
            (int outputs, int inputs) = (method.Outputs, method.Inputs);
            Naive weight = new(outputs, inputs, PeftFolder.Values(random, outputs * inputs, type)), bias = new(outputs, 1, PeftFolder.Values(random, outputs, type));
            long[] stored = method.Stores ? [inputs, outputs] : method.Shape;
            SafetensorsBytes.Write(
                temp["base", "model.safetensors"], new TestTensor("m.x.weight", type, stored, (method.Stores ? weight.T : weight).Values), new TestTensor("m.x.bias", type, [outputs], bias.Values));

            // Plain factors have the layers' own shapes: a kernel goes into A.
            PeftFolder lora = new(temp["lora"], 2, 3);
            double[] a = PeftFolder.Values(random, 2 * inputs, DType.F32), b = PeftFolder.Values(random, outputs * 2, DType.F32);
            lora.Add("base_model.model.m.x.lora_A.weight", DType.F32, [2, .. method.Shape[1..]], a);
            lora.Add("base_model.model.m.x.lora_B.weight", DType.F32, [outputs, 2, .. method.Shape[2..].Select(_ => 1L)], b);
            Options = Merging.Options(temp["base"], method.Save(temp["adapter"]), temp["out"]) with { Adapters = [new(temp["adapter"], Weight), new(lora.Save(), 0.5)] };

            Naive change = Weight * (method.Weight(weight) - weight), plain = 0.5 * 1.5 * (new Naive(outputs, 2, b) * new Naive(2, inputs, a));
            Naive sum = weight + change + plain;
            // What a sum in F32 may lose; the rest is in F64.
            double slack = type == DType.F64 ? 64 : 1;
            Naive magnitudes = Naive.Of(outputs, inputs, (i, j) => slack * (Math.Abs(weight[i, j]) + Math.Abs(change[i, j]) + Math.Abs(plain[i, j]) + 1));
            Expected.Add(("m.x.weight", (method.Stores ? sum.T : sum).Values, (method.Stores ? magnitudes.T : magnitudes).Values));
            double[] biases = method.Bias is { } of ? (bias + (Weight * (of(bias) - bias))).Values : bias.Values;
            Expected.Add(("m.x.bias", biases, [.. biases.Select(x => method.Bias is null ? 0 : slack * Math.ScaleB(1 + Math.Abs(x), type == DType.F64 ? 0 : -20))]));
        }

        public Ops.Merge.MergeOptions Options { get; }

        public List<(string Name, double[] Values, double[] Magnitudes)> Expected { get; } = [];
    }
}
