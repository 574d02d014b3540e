using LoraKit.Ops.Compute;
using LoraKit.Ops.Tests.Compute;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge;

/// <summary>What PEFT's <c>merge_and_unload()</c> left, over every backend, with tiles that split every tensor.</summary>
public class ConformanceTests
{
    public static IEnumerable<TheoryDataRow<string, string>> Cases() =>
        from folder in Directory.GetDirectories(Paths.Fixture("peft"))
        where File.Exists(Path.Combine(folder, "merged.safetensors"))
        from backend in ComputeBackends.Names
        select new TheoryDataRow<string, string>(Path.GetFileName(folder), backend);

    [Theory]
    [MemberData(nameof(Cases))]
    public void MergesAsPeftDoes(string name, string backend)
    {
        using TempFolder temp = new();
        using ICompute compute = ComputeBackends.Create(backend);
        Merging.Run(
            Merging.Options(Paths.Fixture("peft", name, "base"), Paths.Fixture("peft", name, "adapter"), temp["out"]) with { TileBytes = 256 }, compute);

        Conformance.AssertSame(SafetensorsBytes.Read(Paths.Fixture("peft", name, "merged.safetensors")), SafetensorsBytes.Read(temp["out", "model.safetensors"]));
    }

    [Fact]
    public void TheCasesAreThere() => Assert.True(Cases().Count() >= 16);
}
