using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Inspect;
using LoraKit.Ops.Tests.Compute;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Inspect;

/// <summary>Singular values of updates, scale included.</summary>
public sealed class SpectrumTests
{
    private static readonly InspectOptions Spectrum = new() { Spectrum = true };

    [Theory]
    [MemberData(nameof(ComputeBackends.Names), MemberType = typeof(ComputeBackends))]
    public void They_are_the_updates(string backend)
    {
        using TempFolder folder = new();
        using ICompute compute = ComputeBackends.Create(backend);
        PeftFolder adapter = new(folder["a"], 5, 15);
        (double[] down, double[] up) = adapter.Linear("m", 37, 53, new Random(6), DType.BF16);
        double[] update = Oracle.AddProduct(new double[37 * 53], [.. up.Select(v => 3 * v)], down, 37, 53, 5).Values;
        ModuleSpectrum spectrum = Assert.Single(AdapterInspection.Open(adapter.Save(), Spectrum, compute).Modules).Spectrum!;
        Assert.Equal(5, spectrum.SingularValues.Count);
        Assert.Equal(spectrum.SingularValues.OrderDescending(), spectrum.SingularValues);

        // Σσ² and Σσ⁴ are ‖ΔW‖² and ‖ΔW·ΔWᵀ‖², and with a few more of them the spectrum is determined.
        double[] gram = Oracle.AddProduct(new double[37 * 37], update, Transposed(update, 37, 53), 37, 37, 53).Values;
        double squares = update.Sum(v => v * v), fourths = gram.Sum(v => v * v);
        double[] gram2 = Oracle.AddProduct(new double[37 * 37], gram, gram, 37, 37, 37).Values;
        double eighths = gram2.Sum(v => v * v);
        Assert.Equal(1, spectrum.SingularValues.Sum(s => Math.Pow(s, 2)) / squares, 1e-9);
        Assert.Equal(1, spectrum.SingularValues.Sum(s => Math.Pow(s, 4)) / fourths, 1e-9);
        Assert.Equal(1, spectrum.SingularValues.Sum(s => Math.Pow(s, 8)) / eighths, 1e-9);
        Assert.Equal(Math.Sqrt(squares), spectrum.Norm, 1e-9 * Math.Sqrt(squares));
    }

    [Fact]
    public void What_follows_from_them()
    {
        ModuleSpectrum spectrum = new([4, 2, 1, 0]);
        Assert.Equal(Math.Sqrt(21), spectrum.Norm, 1e-12);
        Assert.Equal(21.0 / 16, spectrum.StableRank, 1e-12);
        Assert.Equal([1, 2, 2, 3, 3], ((double[])[0.7, 0.9, 0.95, 0.99, 1]).Select(spectrum.EnergyRank));
        ModuleSpectrum zero = new([0, 0]);
        Assert.Equal((0.0, 0.0, 0), (zero.Norm, zero.StableRank, zero.EnergyRank(0.9)));
        Assert.Equal(1e-200 * Math.Sqrt(2), new ModuleSpectrum([1e-200, 1e-200]).Norm, 1e-212);
    }

    [Fact]
    public void What_has_none_is_refused()
    {
        string model = Paths.Fixture("peft", "lora-linear-bf16", "base");
        InvalidOptionException refused = Assert.Throws<InvalidOptionException>(() => AdapterInspection.Open(model, Spectrum));
        Assert.Contains(model, refused.Message);
        using TempFolder folder = new();
        SafetensorsBytes.Write(folder["x.safetensors"], new TestTensor("lora_controlnet", DType.F32, [1, 1], [1]));
        Assert.Throws<InvalidOptionException>(() => AdapterInspection.Open(folder["x.safetensors"], Spectrum));
    }

    [Fact]
    public void Every_kind_of_module_has_one()
    {
        foreach (string name in (string[])["lora-conv", "lora-embedding-lmhead", "lora-lora-bias", "lora-gpt2-conv1d", "lora-rank-above-dim"])
        {
            AdapterInspection inspection = AdapterInspection.Open(Paths.Fixture("peft", name, "adapter"), Spectrum);
            Assert.All(inspection.Modules, m => Assert.True(m.Spectrum!.Norm > 0));
            Assert.All(inspection.Modules.Where(m => m.Rank is not null), m =>
                Assert.Equal(Math.Min(m.Rank!.Value, Math.Min(m.OutFeatures!.Value, m.InFeatures!.Value)), m.Spectrum!.SingularValues.Count));
        }

        Assert.Null(AdapterInspection.Open(Paths.Fixture("peft", "lora-conv", "adapter"), new InspectOptions()).Modules[0].Spectrum);
    }

    [Fact]
    public void NaN_has_none()
    {
        using TempFolder folder = new();
        AdapterInspection inspection = AdapterInspection.Open(WrittenFile.CreateAdapter(folder["a"], 1, 1, float.NaN, 1, 1, 1), Spectrum);
        Assert.Null(inspection.Modules.Single(m => m.Name == "two").Spectrum);
        Assert.Equal("non_finite", Assert.Single(inspection.Issues).Code);
    }

    private static double[] Transposed(double[] matrix, int rows, int columns) =>
        [.. Enumerable.Range(0, columns).SelectMany(j => Enumerable.Range(0, rows).Select(i => matrix[(i * columns) + j]))];
}
