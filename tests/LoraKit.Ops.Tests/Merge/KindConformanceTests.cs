using LoraKit.Ops.Compute;
using LoraKit.Ops.Tests.Compute;
using LoraKit.Ops.Tests.Unmerge;
using LoraKit.Ops.Verify;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge;

/// <summary>Every kind of adapter, merged as the program did that made it, and taken back to the bit.</summary>
public class KindConformanceTests
{
    public static IEnumerable<string> Names() =>
        from family in (string[])["peft-kinds", "lycoris"]
        from folder in Directory.GetDirectories(Paths.Fixture(family))
        let name = $"{family}/{Path.GetFileName(folder)}"
        orderby name
        select name;

    public static IEnumerable<TheoryDataRow<string, string>> Cases() => Names().SelectMany(_ => ComputeBackends.Names, (name, backend) => new TheoryDataRow<string, string>(name, backend));

    public static IEnumerable<TheoryDataRow<string>> Single() => Names().Select(name => new TheoryDataRow<string>(name));

    [Theory]
    [MemberData(nameof(Cases))]
    public void MergesAsItsProgramDoes(string name, string backend)
    {
        using TempFolder temp = new();
        using ICompute compute = ComputeBackends.Create(backend);
        (string @base, string adapter, string merged) = Files(name);
        Merging.Run(Merging.Options(@base, adapter, temp["out.safetensors"]) with { TileBytes = 256 }, compute);
        Conformance.AssertSame(SafetensorsBytes.Read(merged), SafetensorsBytes.Read(temp["out.safetensors"]));
    }

    [Theory]
    [MemberData(nameof(Single))]
    public void ComesBackToTheBit(string name)
    {
        using TempFolder temp = new();
        (string @base, string adapter, _) = Files(name);
        Directory.CreateDirectory(temp["base"]);
        File.Copy(@base, temp["base", "model.safetensors"]);
        Restoring.RoundTrip(temp, Merging.Options(temp["base"], adapter, temp["out"]) with { TileBytes = 512, UndoBlockElements = 100 });
    }

    [Theory]
    [MemberData(nameof(Single))]
    public void IsVerified(string name)
    {
        (string @base, string adapter, string merged) = Files(name);
        Verification result = Verification.Run(new(merged) { Base = @base, Adapters = [new(adapter)], TileElements = 100 });
        Assert.Empty(result.Findings);
    }

    internal static (string Base, string Adapter, string Merged) Files(string name)
    {
        string folder = Paths.Fixture(name.Split('/'));
        bool isPeft = name.StartsWith("peft", StringComparison.Ordinal);
        return (
            isPeft ? Path.Combine(folder, "base", "model.safetensors") : Path.Combine(folder, "base.safetensors"),
            isPeft ? Path.Combine(folder, "adapter") : Path.Combine(folder, "adapter.safetensors"),
            Path.Combine(folder, "merged.safetensors"));
    }
}
