using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Resize;
using LoraKit.Ops.Tests.Adapters;
using LoraKit.Ops.Tests.Compute;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Resize;

/// <summary>The nearest update of the new rank (Eckart and Young), against dense matrices and their singular values.</summary>
public sealed class ResizeAlgebraTests
{
    private const double Tolerance = 1e-6;

    public static IEnumerable<TheoryDataRow<string, DType, FactorBalance>> Cases() =>
        from backend in ComputeBackends.Names
        from dtype in new[] { DType.F16, DType.BF16, DType.F32, DType.F64 }
        from balance in Enum.GetValues<FactorBalance>()
        select new TheoryDataRow<string, DType, FactorBalance>(backend, dtype, balance);

    [Theory]
    [MemberData(nameof(Cases))]
    public void TheErrorIsTheTailOfTheSpectrum(string backend, DType dtype, FactorBalance balance)
    {
        using TempFolder temp = new();
        using ICompute compute = ComputeBackends.Create(backend);
        string adapter = MixedAdapter.Write(temp["in"], dtype);
        ResizeReport report = Resizing.Run(Resizing.Options(adapter, temp["out"], new RankPolicy.Fixed(3)) with { Balance = balance, Threads = 2 }, compute);

        var before = DeltaOracle.Updates(adapter);
        var after = DeltaOracle.Updates(temp["out"]);
        var scales = DeltaOracle.Facts(temp["out"], d => (d.Rank, d.Scale));
        Assert.Equal(before.Keys, report.Modules.Select(m => m.Name));
        double lost = 0, all = 0;
        foreach (ResizedModule module in report.Modules)
        {
            double[] sigma = DeltaOracle.SingularValues(before[module.Name], MixedAdapter.Rows[module.Name]);
            double norm = DeltaOracle.Norm(sigma);
            double tail = DeltaOracle.Norm(sigma.Skip(3));
            Assert.Equal(tail, DeltaOracle.Distance(before[module.Name], after[module.Name]), Tolerance * Math.Max(norm, 1));
            Assert.Equal(norm == 0 ? 0 : tail / norm, module.RelativeError, Tolerance);
            Assert.Equal(norm == 0 ? 1 : 1 - (tail * tail / (norm * norm)), module.EnergyKept, Tolerance);
            Assert.Equal((3, 3L), (module.RankAfter, scales[module.Name].Rank));
            lost += tail * tail;
            all += norm * norm;
        }

        Assert.Equal(Math.Sqrt(lost / all), report.RelativeError, Tolerance);
        Assert.Equal(DeltaOracle.Facts(adapter, d => d.Scale).Values.Order(), scales.Values.Select(s => s.Scale).Order(), (x, y) => Math.Abs(x - y) < 1e-15);
        Assert.All(MixedAdapter.Tensors(temp["out"]).Where(t => t.Key.Contains(".lora_") && !t.Key.EndsWith(".bias", StringComparison.Ordinal)),
            t => Assert.Equal(dtype == DType.F64 ? DType.F64 : DType.F32, t.Value.DType));
    }

    /// <summary>What is no low-rank update comes along: biases with their module's scale, modules saved in full.</summary>
    [Theory]
    [InlineData(3)]
    [InlineData(50)]
    public void TheRestIsCarriedOver(int rank)
    {
        using TempFolder temp = new();
        string adapter = MixedAdapter.Write(temp["in"], DType.BF16, stabilized: true);
        Resizing.Run(Resizing.Options(adapter, temp["out"], new RankPolicy.Fixed(rank)));
        using Adapter before = Formats.Layouts.AdapterLayouts.Open(adapter);
        using Adapter after = Formats.Layouts.AdapterLayouts.Open(temp["out"]);
        Assert.Equal(2, before.Deltas.OfType<DenseDelta>().Count());
        foreach ((DenseDelta x, DenseDelta y) in before.Deltas.OfType<DenseDelta>().Zip(after.Deltas.OfType<DenseDelta>()))
        {
            Assert.Equal((x.Target, x.Values.DType), (y.Target, y.Values.DType));
            Assert.Equal(x.Scale, y.Scale, 1e-14);
            Assert.Equal(x.Values.ToDoubles(), y.Values.ToDoubles());
        }

        Assert.Equal(before.Replacements.Single().Values.ToDoubles(), after.Replacements.Single().Values.ToDoubles());
        Assert.True(after.Config!.Json["use_rslora"]!.GetValue<bool>());
    }

    /// <summary>Growing pads with zeros: the same values in the same types, the same update to the last bit.</summary>
    [Theory]
    [InlineData(DType.F16)]
    [InlineData(DType.BF16)]
    [InlineData(DType.F32)]
    [InlineData(DType.F64)]
    [InlineData(DType.F8E4M3)]
    public void GrowingIsExact(DType dtype)
    {
        using TempFolder temp = new();
        string adapter = MixedAdapter.Write(temp["in"], dtype);
        ResizeReport report = Resizing.Run(Resizing.Options(adapter, temp["out"], new RankPolicy.Fixed(70)));
        Assert.All(report.Modules, m => Assert.Equal((70, 0, 1), (m.RankAfter, m.RelativeError, m.EnergyKept)));
        AssertSameUpdates(adapter, temp["out"]);
        Assert.All(MixedAdapter.Tensors(temp["out"]), t => Assert.Equal(dtype, t.Value.DType));
        var grown = MixedAdapter.Tensors(temp["out"]);
        foreach ((string name, var tensor) in MixedAdapter.Tensors(adapter))
        {
            Assert.Equal(
                tensor.Values.Where(v => v != 0).Order(), grown[name].Values.Where(v => v != 0).Order());
        }
    }

    [Fact]
    public void ATuckerCoreGrowsAsOne()
    {
        using TempFolder temp = new();
        string adapter = Paths.Fixture("kohya", "lycoris-locon-tucker", "adapter.safetensors");
        Resizing.Run(Resizing.Options(adapter, temp["out.safetensors"], new RankPolicy.Fixed(11)));
        Assert.All(DeltaOracle.Facts(temp["out.safetensors"], d => d.Rank).Values, rank => Assert.Equal(11, rank));
        Assert.Contains(SafetensorsBytes.Read(temp["out.safetensors"]).Keys, name => name.EndsWith(".lora_mid.weight", StringComparison.Ordinal));
        AssertSameUpdates(adapter, temp["out.safetensors"]);
    }

    /// <summary>Folded exactly, then truncated like any kernel.</summary>
    [Theory]
    [MemberData(nameof(ComputeBackends.Names), MemberType = typeof(ComputeBackends))]
    public void ATuckerCoreIsFoldedAndTruncated(string backend)
    {
        using TempFolder temp = new();
        using ICompute compute = ComputeBackends.Create(backend);
        string adapter = Paths.Fixture("kohya", "lycoris-locon-tucker", "adapter.safetensors");
        Resizing.Run(Resizing.Options(adapter, temp["out.safetensors"], new RankPolicy.Fixed(1)), compute);
        var before = DeltaOracle.Updates(adapter);
        var after = DeltaOracle.Updates(temp["out.safetensors"]);
        var rows = DeltaOracle.Facts(adapter, d => (int)d.OutFeatures);
        Assert.DoesNotContain(SafetensorsBytes.Read(temp["out.safetensors"]).Keys, name => name.EndsWith(".lora_mid.weight", StringComparison.Ordinal));
        foreach ((string name, double[] update) in before)
        {
            double tail = DeltaOracle.Norm(DeltaOracle.SingularValues(update, rows[name]).Skip(1));
            Assert.Equal(tail, DeltaOracle.Distance(update, after[name]), Tolerance * DeltaOracle.Norm(update));
        }
    }

    /// <summary>A module that already has its rank keeps its bytes, whatever element type was asked for.</summary>
    [Fact]
    public void APresentRankIsLeftAlone()
    {
        using TempFolder temp = new();
        string adapter = MixedAdapter.Write(temp["in"], DType.BF16);
        ResizeOptions options = Resizing.Options(adapter, temp["out"], new RankPolicy.Fixed(6));
        Resizing.Run(options with { Output = options.Output with { ElementType = FactorType.F16 } });
        var before = MixedAdapter.Tensors(adapter);
        var after = MixedAdapter.Tensors(temp["out"]);
        foreach (string factor in (string[])[$"{MixedAdapter.Wide}.lora_A.weight", $"{MixedAdapter.Wide}.lora_B.weight", $"{MixedAdapter.Embedding}.lora_embedding_A"])
        {
            Assert.Equal(before["base_model.model." + factor], after["base_model.model." + factor], (x, y) => x.DType == y.DType && x.Values.SequenceEqual(y.Values));
        }

        Assert.Equal(DType.F16, after[$"base_model.model.{MixedAdapter.Small}.lora_A.weight"].DType);
        Assert.Equal(DType.BF16, after[$"base_model.model.{MixedAdapter.Kernel}.lora_A.weight"].DType);
    }

    /// <summary>More than rows or columns, less than before: all there is, and zeros.</summary>
    [Fact]
    public void ARankAboveADimensionIsFilledUp()
    {
        using TempFolder temp = new();
        string adapter = MixedAdapter.Write(temp["in"], DType.F32);
        Resizing.Run(Resizing.Options(adapter, temp["out"], new RankPolicy.Fixed(6)));
        Assert.Equal(6, DeltaOracle.Facts(temp["out"], d => d.Rank)[MixedAdapter.Small]);
        double[] before = DeltaOracle.Updates(adapter)[MixedAdapter.Small];
        Assert.Equal(0, DeltaOracle.Distance(before, DeltaOracle.Updates(temp["out"])[MixedAdapter.Small]), Tolerance * DeltaOracle.Norm(before));
    }

    /// <summary>A and B of unlike types lie far apart in the file, so that results are asked for twice.</summary>
    [Fact]
    public void FactorsOfUnlikeTypesKeepThem()
    {
        using TempFolder temp = new();
        PeftFolder adapter = new(temp["in"], 6, 15);
        foreach (string module in (string[])["a", "b", "c", "d", "e", "f", "g"])
        {
            Random random = new(module[0]);
            adapter.Add($"base_model.model.{module}.lora_A.weight", DType.F32, [6, 53], PeftFolder.Values(random, 6 * 53, DType.F32));
            adapter.Add($"base_model.model.{module}.lora_B.weight", DType.F64, [37, 6], PeftFolder.Values(random, 37 * 6, DType.F64));
        }

        ResizeOptions options = Resizing.Options(adapter.Save(), temp["out"], new RankPolicy.Fixed(4)) with { Threads = 2 };
        Resizing.Run(options with { Output = options.Output with { ElementType = FactorType.Keep } });
        Assert.All(DeltaOracle.Facts(temp["out"], d => (d.Down.DType, d.Up.DType)).Values, types => Assert.Equal((DType.F32, DType.F64), types));
        var before = DeltaOracle.Updates(temp["in"]);
        Assert.All(DeltaOracle.Updates(temp["out"]), after =>
        {
            double[] sigma = DeltaOracle.SingularValues(before[after.Key], 37);
            Assert.Equal(DeltaOracle.Norm(sigma.Skip(4)), DeltaOracle.Distance(before[after.Key], after.Value), Tolerance * DeltaOracle.Norm(sigma));
        });
    }

    [Theory]
    [InlineData(FactorType.F32, DType.F32)]
    [InlineData(FactorType.F16, DType.F16)]
    [InlineData(FactorType.BF16, DType.BF16)]
    [InlineData(FactorType.Keep, DType.F64)]
    [InlineData(FactorType.Exact, DType.F64)]
    public void FactorsHaveTheTypeAskedFor(FactorType asked, DType expected)
    {
        using TempFolder temp = new();
        ResizeOptions options = Resizing.Options(MixedAdapter.Write(temp["in"], DType.F64), temp["out"], new RankPolicy.Fixed(1));
        Resizing.Run(options with { Output = options.Output with { ElementType = asked } });
        Assert.Equal(expected, MixedAdapter.Tensors(temp["out"])[$"base_model.model.{MixedAdapter.Wide}.lora_B.weight"].DType);
    }

    private static void AssertSameUpdates(string before, string after)
    {
        var expected = DeltaOracle.Updates(before);
        foreach ((string name, double[] update) in DeltaOracle.Updates(after))
        {
            double norm = DeltaOracle.Norm(expected[name]);
            Assert.Equal(0, DeltaOracle.Distance(expected[name], update), 1e-15 * norm);
        }
    }
}
