using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Resize;
using LoraKit.Ops.Tests.Adapters;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Resize;

/// <summary>Which rank follows from a spectrum: the definitions, on spectra that are known.</summary>
public sealed class RankPolicyTests
{
    private static readonly double[] Falling = [8, 4, 2, 1];
    private static readonly double[] Flat = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1];

    public static TheoryData<double[], RankPolicy, int> Known => new()
    {
        // Σσ² = 85: 64, 80, 84, 85.
        { Falling, new RankPolicy.Energy(64.0 / 85), 1 },
        { Falling, new RankPolicy.Energy(0.76), 2 },
        { Falling, new RankPolicy.Energy(1), 4 },
        { Falling, new RankPolicy.SvFro(0.86), 1 },
        { Falling, new RankPolicy.SvFro(0.9), 2 },
        // Σσ = 15: 8, 12, 14, 15.
        { Falling, new RankPolicy.SvCumulative(0.53), 1 },
        { Falling, new RankPolicy.SvCumulative(0.8), 2 },
        { Falling, new RankPolicy.SvCumulative(0.81), 3 },
        { Falling, new RankPolicy.SvRatio(2), 1 },
        { Falling, new RankPolicy.SvRatio(2.1), 2 },
        { Falling, new RankPolicy.SvRatio(1), 1 },
        { Falling, new RankPolicy.SvRatio(100), 4 },
        // √(5/85) = 0.2425…
        { Falling, new RankPolicy.MaxError(0.25), 2 },
        { Falling, new RankPolicy.MaxError(0.24), 3 },
        { Falling, new RankPolicy.MaxError(0), 4 },
        { Flat, new RankPolicy.Energy(0.9), 9 },
        { Flat, new RankPolicy.SvCumulative(0.3), 3 },
        { [3, 0, 0], new RankPolicy.MaxError(0), 1 },
        { [3, 0, 0], new RankPolicy.Energy(1), 1 },
        { [0, 0], new RankPolicy.Energy(1), 1 },
        { [0, 0], new RankPolicy.SvRatio(9), 1 },
        // sd-scripts takes this for zero; energies do not depend on the unit.
        { [9e-7, 8e-7], new RankPolicy.SvFro(1), 1 },
        { [9e-7, 8e-7], new RankPolicy.Energy(1), 2 },
        { [1e200, 9e199], new RankPolicy.Energy(1), 2 },
        { [1e200, 9e199], new RankPolicy.MaxError(0.5), 2 },
    };

    [Theory]
    [MemberData(nameof(Known))]
    public void TheCriterionHasItsOwnRank(double[] sigma, RankPolicy policy, int expected) =>
        Assert.Equal(expected, RankCriterion.Rank(policy, new Spectrum(sigma)));

    /// <summary>Scales do not count, bounds do, and no module gets more than it has.</summary>
    [Fact]
    public void BoundsHold()
    {
        using TempFolder temp = new();
        string adapter = MixedAdapter.Write(temp["in"], DType.F32);
        ResizeOptions options = Resizing.Options(adapter, temp["a"], new RankPolicy.Energy(1));
        var all = Ranks(options);
        Assert.Equal([6, 4, 1, 4, 6], new[] { MixedAdapter.Wide, MixedAdapter.Small, MixedAdapter.Zero, MixedAdapter.Kernel, MixedAdapter.Embedding }.Select(m => all[m]));
        Assert.All(Ranks(options with { MaxRank = 3 }), m => Assert.Equal(m.Key == MixedAdapter.Zero ? 1 : 3, m.Value));
        Assert.Equal(2, Ranks(options with { ConvRank = 2 })[MixedAdapter.Kernel]);
        Assert.Equal(6, Ranks(options with { ConvRank = 2 })[MixedAdapter.Wide]);
        var least = Ranks(Resizing.Options(adapter, temp["b"], new RankPolicy.SvRatio(1)) with { MinRank = 5 });
        Assert.Equal([5, 4, 5, 4, 5], new[] { MixedAdapter.Wide, MixedAdapter.Small, MixedAdapter.Zero, MixedAdapter.Kernel, MixedAdapter.Embedding }.Select(m => least[m]));
        Assert.Equal(2, Ranks(Resizing.Options(adapter, temp["c"], new RankPolicy.Fixed(5)) with { ConvRank = 2 })[MixedAdapter.Kernel]);
    }

    public static TheoryData<RankPolicy, int?, int?, int?> Senseless => new()
    {
        { new RankPolicy.Fixed(0), null, null, null },
        { new RankPolicy.Fixed(-1), null, null, null },
        { new RankPolicy.Fixed(4), 8, null, null },
        { new RankPolicy.Fixed(4), null, 2, null },
        { new RankPolicy.Energy(0), null, null, null },
        { new RankPolicy.Energy(1.01), null, null, null },
        { new RankPolicy.Energy(double.NaN), null, null, null },
        { new RankPolicy.SvFro(-0.5), null, null, null },
        { new RankPolicy.SvCumulative(2), null, null, null },
        { new RankPolicy.SvRatio(0.99), null, null, null },
        { new RankPolicy.SvRatio(double.PositiveInfinity), null, null, null },
        { new RankPolicy.MaxError(1), null, null, null },
        { new RankPolicy.MaxError(-0.1), null, null, null },
        { new RankPolicy.TotalBytes(0), null, null, null },
        { new RankPolicy.Energy(0.5), 0, null, null },
        { new RankPolicy.Energy(0.5), null, 0, null },
        { new RankPolicy.Energy(0.5), null, null, 0 },
        { new RankPolicy.Energy(0.5), 2, 3, null },
        { new RankPolicy.Energy(0.5), null, 3, 2 },
    };

    [Theory]
    [MemberData(nameof(Senseless))]
    public void SenselessNumbersAreRefused(RankPolicy policy, int? most, int? least, int? conv)
    {
        using TempFolder temp = new();
        using SimdCompute compute = new();
        ResizeOptions options = Resizing.Options(MixedAdapter.Write(temp["in"], DType.F32), temp["out"], policy) with
        {
            MaxRank = most,
            MinRank = least,
            ConvRank = conv,
        };
        InvalidOptionException error = Assert.Throws<InvalidOptionException>(() => ResizePlan.Create(options, compute));
        Assert.DoesNotContain('\n', error.Message);
        Assert.False(Path.Exists(temp["out"]));
    }

    [Theory]
    [InlineData(double.NaN, 3)]
    [InlineData(double.PositiveInfinity, 3)]
    [InlineData(double.NaN, 6)]
    [InlineData(double.NaN, 9)]
    public void FactorsAreFinite(double value, int rank)
    {
        using TempFolder temp = new();
        using SimdCompute compute = new();
        PeftFolder adapter = new(temp["in"], 6, 6);
        adapter.Linear("good", 37, 53, new Random(1));
        adapter.Add("base_model.model.bad.lora_A.weight", DType.F32, [6, 4], [.. Enumerable.Repeat(1.0, 23), value]);
        adapter.Add("base_model.model.bad.lora_B.weight", DType.F32, [3, 6], new double[18]);
        adapter.Save();
        NonFiniteException error = Assert.Throws<NonFiniteException>(() =>
            ResizePlan.Create(Resizing.Options(temp["in"], temp["out"], new RankPolicy.Fixed(rank)), compute));
        Assert.Equal("base_model.model.bad.lora_A.weight", error.Tensor);
        Assert.False(Path.Exists(temp["out"]));
    }

    /// <summary>Finite factors whose product is not: the message says of which module.</summary>
    [Fact]
    public void AProductBeyondTheRangeNamesItsModule()
    {
        using TempFolder temp = new();
        using SimdCompute compute = new();
        PeftFolder adapter = new(temp["in"], 1, 1);
        adapter.Add("base_model.model.bad.lora_A.weight", DType.F64, [1, 2], [1e200, 0]);
        adapter.Add("base_model.model.bad.lora_B.weight", DType.F64, [3, 1], [1e200, 0, 0]);
        adapter.Save();
        NonFiniteException error = Assert.Throws<NonFiniteException>(() =>
            ResizePlan.Create(Resizing.Options(temp["in"], temp["out"], new RankPolicy.Fixed(1)), compute));
        Assert.Contains("module 'bad'", error.Message, StringComparison.Ordinal);
        Assert.Equal(("bad.weight", Path.Combine(temp["in"], "adapter_model.safetensors")), (error.Tensor, error.File));
        NonFiniteException stacked = Assert.Throws<NonFiniteException>(() =>
            Stack.Stacking.Run(Stack.Stacking.Options(temp["out"], "linear", new AdapterInput(temp["in"])), compute));
        Assert.Contains("module 'bad'", stacked.Message, StringComparison.Ordinal);
        Assert.False(Path.Exists(temp["out"]));
    }

    /// <summary>Too large for the type that was asked for: nothing is written.</summary>
    [Fact]
    public void WhatATypeCannotHoldIsRefused()
    {
        using TempFolder temp = new();
        using SimdCompute compute = new();
        PeftFolder adapter = new(temp["in"], 2, 2);
        adapter.Add("base_model.model.x.lora_A.weight", DType.F32, [2, 3], [3e4, 0, 0, 0, 1, 0]);
        adapter.Add("base_model.model.x.lora_B.weight", DType.F32, [3, 2], [3e4, 0, 0, 1, 0, 0]);
        ResizeOptions options = Resizing.Options(adapter.Save(), temp["out"], new RankPolicy.Fixed(1));
        using ResizePlan plan = ResizePlan.Create(options with { Output = options.Output with { ElementType = LoraKit.Ops.Adapters.FactorType.F16 } }, compute);
        Assert.Throws<NonFiniteException>(() => plan.Run(compute));
        Assert.False(Path.Exists(temp["out"]));
    }

    [Fact]
    public void DoraIsRefusedWithWhatToDo()
    {
        using TempFolder temp = new();
        using SimdCompute compute = new();
        PeftFolder adapter = new(temp["in"], 6, 6);
        adapter.Linear("x", 37, 53, new Random(1));
        adapter.Add("base_model.model.x.lora_magnitude_vector", DType.F32, [37], new double[37]);
        adapter.Config["use_dora"] = true;
        UnsupportedException error = Assert.Throws<UnsupportedException>(() =>
            ResizePlan.Create(Resizing.Options(adapter.Save(), temp["out"], new RankPolicy.Fixed(2)), compute));
        Assert.Contains("merge it into its base", error.Message);
        Assert.Contains("extract", error.Message);
    }

    private static Dictionary<string, long> Ranks(ResizeOptions options)
    {
        using SimdCompute compute = new();
        using ResizePlan plan = ResizePlan.Create(options, compute);
        return plan.Modules.ToDictionary(m => m.Name, m => m.RankAfter);
    }
}
