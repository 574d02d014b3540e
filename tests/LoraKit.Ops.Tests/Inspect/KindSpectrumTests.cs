using LoraKit.Ops.Compute;
using LoraKit.Ops.Inspect;
using LoraKit.Ops.Tests.Adapters;
using LoraKit.Ops.Tests.Compute;
using LoraKit.Ops.Tests.Conversion;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Inspect;

/// <summary>Singular values of updates of other kinds than LoRA, with factors of low rank and without.</summary>
public sealed class KindSpectrumTests
{
    public static IEnumerable<TheoryDataRow<string, int>> Cases() =>
        ComputeBackends.Names.SelectMany(_ => (int[])[3, 9], (backend, rank) => new TheoryDataRow<string, int>(backend, rank));

    [Theory]
    [MemberData(nameof(Cases))]
    public void They_are_the_updates(string backend, int rank)
    {
        using TempFolder folder = new();
        using ICompute compute = ComputeBackends.Create(backend);
        double[] update = Converting.WriteLoha(folder["a"], 6, rank, ("layers.0.m", 37, 53))["layers.0.m"];
        ModuleSpectrum spectrum = Assert.Single(AdapterInspection.Open(folder["a"], new() { Spectrum = true }, compute).Modules).Spectrum!;
        double[] expected = DeltaOracle.SingularValues(update, 37);
        Assert.Equal(DeltaOracle.Norm(update), spectrum.Norm, 1e-9 * spectrum.Norm);
        for (int i = 0; i < spectrum.SingularValues.Count; i++)
        {
            Assert.Equal(i < expected.Length ? expected[i] : 0, spectrum.SingularValues[i], 1e-9 * expected[0]);
        }
    }
}
