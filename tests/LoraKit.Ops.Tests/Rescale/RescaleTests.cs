using System.Text.Json.Nodes;
using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Rescale;
using LoraKit.Ops.Tests.Adapters;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Rescale;

/// <summary>Other scales for the same factors, against dense matrices.</summary>
public sealed class RescaleTests
{
    private const double Tolerance = 1e-12;

    [Theory]
    [InlineData(2, false)]
    [InlineData(-0.3, false)]
    [InlineData(0, false)]
    [InlineData(1.7, true)]
    public void ByAFactor(double factor, bool stabilized)
    {
        using TempFolder temp = new();
        string adapter = MixedAdapter.Write(temp["in"], DType.BF16, stabilized);
        RescaleReport report = Run(Options(adapter, temp["out"], new RescaleAmount.By(factor)));
        AssertScaled(adapter, temp["out"], _ => factor);
        AssertSameFactors(adapter, temp["out"]);
        Assert.Equal(7, report.Modules.Count);
        Assert.All(report.Modules, m => Assert.Equal(m.ScaleBefore * factor, m.ScaleAfter));
        AssertBiasesFollow(adapter, temp["out"], factor);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ToAnAlpha(bool stabilized)
    {
        using TempFolder temp = new();
        string adapter = MixedAdapter.Write(temp["in"], DType.F32, stabilized);
        Run(Options(adapter, temp["out"], new RescaleAmount.Alpha(-5)));
        AssertSameFactors(adapter, temp["out"]);
        Assert.All(DeltaOracle.Facts(temp["out"], d => (d.Scale, d.Rank)).Values, f =>
            Assert.Equal(-5 / (stabilized ? Math.Sqrt(f.Rank) : f.Rank), f.Scale, Tolerance));
        JsonObject config = Config(temp["out"]);
        Assert.Equal(-5, config["lora_alpha"]!.GetValue<double>());
        Assert.True(config["alpha_pattern"] is null or JsonObject { Count: 0 });
        var biases = Biases(temp["out"]);
        var scales = DeltaOracle.Facts(temp["out"], d => d.Scale);
        Assert.Equal([scales[MixedAdapter.Wide], scales[MixedAdapter.Small]], biases.OrderByDescending(b => b.Name).Select(b => b.Scale));
    }

    [Theory]
    [InlineData(DType.F16)]
    [InlineData(DType.F64)]
    public void ToANorm(DType dtype)
    {
        using TempFolder temp = new();
        string adapter = MixedAdapter.Write(temp["in"], dtype);
        double before = Norm(adapter);
        using (RescalePlan plan = RescalePlan.Create(Options(adapter, temp["out"], new RescaleAmount.Norm(2.5))))
        {
            Assert.Equal(before, plan.NormBefore!.Value, Tolerance * before);
            plan.Run();
        }

        Assert.Equal(2.5, Norm(temp["out"]), Tolerance);
        AssertSameFactors(adapter, temp["out"]);
        AssertScaled(adapter, temp["out"], _ => 2.5 / before);
    }

    [Fact]
    public void ToTheNormOfAnother()
    {
        using TempFolder temp = new();
        string adapter = MixedAdapter.Write(temp["in"], DType.F32);
        PeftFolder other = new(temp["other"], 9, 30);
        other.Linear("something.else", 21, 34, new Random(6));
        Run(Options(adapter, temp["out"], new RescaleAmount.Match(other.Save())));
        Assert.Equal(Norm(other.Path), Norm(temp["out"]), Tolerance * Norm(other.Path));
    }

    /// <summary>Norms at the ends of double precision's range, and where squares leave it.</summary>
    [Theory]
    [InlineData(1e-160, 1e-120)]
    [InlineData(1e160, 1e-150)]
    [InlineData(1e170, 1e100)]
    public void NormsNeitherOverflowNorVanish(double up, double down)
    {
        using TempFolder temp = new();
        Random random = new(8);
        PeftFolder adapter = new(temp["in"], 3, 6);
        adapter.Add("base_model.model.x.lora_A.weight", DType.F64, [3, 7], [.. PeftFolder.Values(random, 21, DType.F64).Select(v => v * down)]);
        adapter.Add("base_model.model.x.lora_B.weight", DType.F64, [5, 3], [.. PeftFolder.Values(random, 15, DType.F64).Select(v => v * up)]);
        adapter.Save();
        var tensors = MixedAdapter.Tensors(temp["in"]);
        double expected = 2 * up * down * DeltaOracle.Norm(DeltaOracle.Product(
            [.. tensors["base_model.model.x.lora_B.weight"].Values.Select(v => v / up)],
            [.. tensors["base_model.model.x.lora_A.weight"].Values.Select(v => v / down)], 5, 7, 3, 3, 1));
        using RescalePlan plan = RescalePlan.Create(Options(temp["in"], temp["out"], new RescaleAmount.Norm(expected)));
        Assert.Equal(1, plan.NormBefore!.Value / expected, Tolerance);
    }

    public static TheoryData<DType, FactorType, DType> Folds => new()
    {
        { DType.F16, FactorType.Exact, DType.F32 },
        { DType.BF16, FactorType.Exact, DType.F32 },
        { DType.F32, FactorType.Exact, DType.F32 },
        { DType.F64, FactorType.Exact, DType.F64 },
        { DType.F16, FactorType.Keep, DType.F16 },
        { DType.F32, FactorType.BF16, DType.BF16 },
    };

    [Fact]
    public void AnElementTypeIsForFoldAlone()
    {
        using TempFolder temp = new();
        RescaleOptions options = Options(MixedAdapter.Write(temp["in"], DType.F32), temp["out"], new RescaleAmount.By(2));
        Assert.Contains("fold", Assert.Throws<InvalidOptionException>(() => Run(options with { Output = options.Output with { ElementType = FactorType.F16 } })).Message);
    }

    /// <summary>The scale goes into B and the trained biases, A keeps its bytes, alpha is the rank.</summary>
    [Theory]
    [MemberData(nameof(Folds))]
    public void FoldedIntoB(DType dtype, FactorType type, DType expected)
    {
        using TempFolder temp = new();
        string adapter = MixedAdapter.Write(temp["in"], dtype, stabilized: true);
        RescaleOptions options = Options(adapter, temp["out"], new RescaleAmount.By(-0.7)) with { Fold = true };
        Run(options with { Output = options.Output with { ElementType = type } });
        Assert.All(DeltaOracle.Facts(temp["out"], d => (d.Scale, d.Alpha, d.Rank)).Values, f => Assert.Equal((1, f.Rank), (f.Scale, f.Alpha)));
        AssertScaled(adapter, temp["out"], _ => -0.7, expected is DType.F16 or DType.BF16 ? 1e-2 : expected == DType.F32 ? 1e-7 : Tolerance);
        var before = MixedAdapter.Tensors(adapter);
        var after = MixedAdapter.Tensors(temp["out"]);
        Assert.Equal(before[$"base_model.model.{MixedAdapter.Wide}.lora_A.weight"].Values, after[$"base_model.model.{MixedAdapter.Wide}.lora_A.weight"].Values);
        Assert.Equal((dtype, expected), (after[$"base_model.model.{MixedAdapter.Wide}.lora_A.weight"].DType, after[$"base_model.model.{MixedAdapter.Wide}.lora_B.weight"].DType));
        double[] bias = before[$"base_model.model.{MixedAdapter.Small}.lora_B.bias"].Values;
        double scale = -0.7 * -3 / Math.Sqrt(7);
        Assert.Equal(
            bias.Select(v => Merging.Rounded(v * scale, expected)), after[$"base_model.model.{MixedAdapter.Small}.lora_B.bias"].Values, (x, y) => Math.Abs(x - y) < 1e-15);
        Assert.All(Biases(temp["out"]), b => Assert.Equal(1, b.Scale));
        Assert.False(Config(temp["out"])["use_rslora"]?.GetValue<bool>() ?? false);
        Assert.True(Config(temp["out"])["lora_alpha"]!.GetValue<double>() == 6);
    }

    /// <summary>A power of two needs no wider type.</summary>
    [Fact]
    public void AnExactFoldKeepsTheType()
    {
        using TempFolder temp = new();
        PeftFolder adapter = new(temp["in"], 4, 16);
        adapter.Linear("x", 37, 53, new Random(2), DType.BF16);
        Run(Options(adapter.Save(), temp["out"], null) with { Fold = true });
        Assert.Equal(DType.BF16, MixedAdapter.Tensors(temp["out"])["base_model.model.x.lora_B.weight"].DType);
        AssertScaled(adapter.Path, temp["out"], _ => 1, 0);
    }

    [Fact]
    public void OnlyTheChosenModules()
    {
        using TempFolder temp = new();
        string adapter = MixedAdapter.Write(temp["in"], DType.F32);
        Run(Options(adapter, temp["out"], new RescaleAmount.By(3)) with { Include = @"^layers\.", Exclude = "small|zero" });
        AssertScaled(adapter, temp["out"], name => name is MixedAdapter.Wide or MixedAdapter.Kernel ? 3 : 1);
    }

    [Fact]
    public void ReplacementsAreWarnedOf()
    {
        using TempFolder temp = new();
        string adapter = MixedAdapter.Write(temp["in"], DType.F32);
        using RescalePlan plan = RescalePlan.Create(Options(adapter, temp["out"], new RescaleAmount.By(3)));
        Assert.Contains("score.weight", Assert.Single(plan.Warnings));
        plan.Run();
        Assert.Equal(MixedAdapter.Tensors(adapter)["base_model.model.score.weight"].Values, MixedAdapter.Tensors(temp["out"])["base_model.model.score.weight"].Values);
        using RescalePlan fold = RescalePlan.Create(Options(adapter, temp["out2"], null) with { Fold = true });
        Assert.Empty(fold.Warnings);
    }

    public static TheoryData<RescaleAmount?, string?> Senseless => new()
    {
        { null, null },
        { new RescaleAmount.By(double.NaN), null },
        { new RescaleAmount.By(double.PositiveInfinity), null },
        { new RescaleAmount.By(1e308), null },
        { new RescaleAmount.Alpha(0), null },
        { new RescaleAmount.Alpha(double.NegativeInfinity), null },
        { new RescaleAmount.Norm(0), null },
        { new RescaleAmount.Norm(-1), null },
        { new RescaleAmount.Norm(double.NaN), null },
        { new RescaleAmount.By(2), "nothing of this name" },
        { new RescaleAmount.By(2), "(" },
        { new RescaleAmount.By(2), @"(a)\1" },
    };

    [Theory]
    [MemberData(nameof(Senseless))]
    public void SenselessRequestsAreRefused(RescaleAmount? amount, string? include)
    {
        using TempFolder temp = new();
        PeftFolder adapter = new(temp["in"], 2, 20);
        adapter.Linear("x", 5, 7, new Random(1));
        RescaleOptions options = Options(adapter.Save(), temp["out"], amount) with { Include = include };
        InvalidOptionException error = Assert.Throws<InvalidOptionException>(() => Run(options));
        Assert.DoesNotContain('\n', error.Message);
        Assert.False(Path.Exists(temp["out"]));
    }

    [Fact]
    public void AZeroUpdateHasNoNorm()
    {
        using TempFolder temp = new();
        PeftFolder adapter = new(temp["in"], 1, 1);
        adapter.Add("base_model.model.x.lora_A.weight", DType.F32, [1, 2], [1, 2]);
        adapter.Add("base_model.model.x.lora_B.weight", DType.F32, [2, 1], [0, 0]);
        PeftFolder other = new(temp["other"], 2, 20);
        other.Linear("x", 5, 7, new Random(1));
        Assert.Throws<InvalidAdapterException>(() => Run(Options(adapter.Save(), temp["out"], new RescaleAmount.Norm(1))));
        Assert.Throws<InvalidAdapterException>(() => Run(Options(other.Save(), temp["out"], new RescaleAmount.Match(adapter.Path))));
        Assert.False(Path.Exists(temp["out"]));
    }

    [Theory]
    [InlineData(false, "up")]
    [InlineData(true, "up")]
    [InlineData(true, "down")]
    [InlineData(null, "up")]
    [InlineData(null, "down")]
    public void ANaNHasNoNormAndIsNeitherFoldedNorCopied(bool? fold, string where)
    {
        using TempFolder temp = new();
        PeftFolder adapter = new(temp["in"], 1, 3);
        adapter.Add("base_model.model.x.lora_A.weight", DType.F32, [1, 2], [1, where == "down" ? double.NaN : 2]);
        adapter.Add("base_model.model.x.lora_B.weight", DType.F32, [2, 1], [1, where == "up" ? double.NaN : 2]);
        RescaleAmount? amount = fold switch { true => null, false => new RescaleAmount.Norm(1), null => new RescaleAmount.By(2) };
        RescaleOptions options = Options(adapter.Save(), temp["out"], amount) with { Fold = fold == true };
        NonFiniteException refusal = Assert.Throws<NonFiniteException>(() => Run(options));
        Assert.Contains(where == "up" ? "lora_B.weight' holds NaN at element 1" : "lora_A.weight' holds NaN at element 1", refusal.Message, StringComparison.Ordinal);
        Assert.False(Path.Exists(temp["out"]));
    }

    private static RescaleOptions Options(string adapter, string output, RescaleAmount? amount) =>
        new() { Adapter = adapter, Output = new AdapterOutput(output) { Flush = false }, Amount = amount };

    private static RescaleReport Run(RescaleOptions options)
    {
        using RescalePlan plan = RescalePlan.Create(options);
        Assert.False(Path.Exists(options.Output.Path));
        return plan.Run();
    }

    private static void AssertScaled(string before, string after, Func<string, double> factor, double tolerance = Tolerance)
    {
        var expected = DeltaOracle.Updates(before);
        var actual = DeltaOracle.Updates(after);
        Assert.Equal(expected.Keys.Order(), actual.Keys.Order());
        foreach ((string name, double[] update) in expected)
        {
            double[] scaled = [.. update.Select(v => v * factor(name))];
            Assert.InRange(DeltaOracle.Distance(scaled, actual[name]), 0, tolerance * DeltaOracle.Norm(scaled));
        }
    }

    private static void AssertSameFactors(string before, string after) => Assert.Equal(
        MixedAdapter.Tensors(before).OrderBy(t => t.Key, StringComparer.Ordinal), MixedAdapter.Tensors(after).OrderBy(t => t.Key, StringComparer.Ordinal),
        (x, y) => x.Key == y.Key && x.Value.DType == y.Value.DType && x.Value.Shape == y.Value.Shape && x.Value.Values.SequenceEqual(y.Value.Values));

    private static void AssertBiasesFollow(string before, string after, double factor) => Assert.All(
        Biases(before).Zip(Biases(after)), pair => Assert.Equal(pair.First.Scale * factor, pair.Second.Scale, Tolerance));

    private static IReadOnlyList<(string Name, double Scale)> Biases(string path)
    {
        using Adapter adapter = AdapterLayouts.Open(path);
        return [.. adapter.Deltas.OfType<DenseDelta>().Select(d => (d.Target.Label, d.Scale))];
    }

    private static JsonObject Config(string folder) => JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "adapter_config.json")))!.AsObject();

    /// <summary>Of everything that is added to the base: low-rank updates and trained biases.</summary>
    private static double Norm(string path)
    {
        using Adapter adapter = AdapterLayouts.Open(path);
        return DeltaOracle.Norm(
            [.. DeltaOracle.Updates(path).Values.SelectMany(v => v), .. adapter.Deltas.OfType<DenseDelta>().SelectMany(d => d.Values.ToDoubles().Select(v => v * d.Scale))]);
    }
}
