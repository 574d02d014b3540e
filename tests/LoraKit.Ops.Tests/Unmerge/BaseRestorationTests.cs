using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Ops.Unmerge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Unmerge;

/// <summary>With the base at hand: its bytes, after a look whether the merged model is one of it.</summary>
public class BaseRestorationTests
{
    [Theory]
    [InlineData(null, false)]
    [InlineData(null, true)]
    [InlineData(DType.F16, true)]
    public void TheBaseComesBack(DType? outputType, bool named)
    {
        using TempFolder temp = new();
        (string @base, string adapter) = RestoreTests.Model(temp, DType.BF16);
        Merging.Run(Merging.Options(@base, adapter, temp["out"]) with { OutputType = outputType });
        UnmergeReport report = Restoring.Run(Options(temp, named ? adapter : null));
        Assert.Equal(Merging.Bytes(@base), Merging.Bytes(temp["restored"]));
        Assert.Equal((UnmergeMethod.Base, 4, outputType is null ? 2 : 4), (report.Method, report.TensorsTotal, report.TensorsRestored));
        Assert.Empty(report.Warnings);
        if (outputType is null) Assert.InRange(report.ElementsRepaired, 1, (37 * 53) + (9 * 16));
    }

    [Fact]
    public void AnotherMergeIsNoticed()
    {
        using TempFolder temp = new();
        (string @base, string adapter) = RestoreTests.Model(temp, DType.BF16);
        Merging.Run(Merging.Options(@base, adapter, temp["out"]));
        UnmergeReport report = Restoring.Run(Options(temp, adapter) with { Adapters = [new(adapter, 2)] });
        Assert.Contains("ULP", Assert.Single(report.Warnings));
        Assert.Equal(Merging.Bytes(@base), Merging.Bytes(temp["restored"]));

        SafetensorsBytes.Write(temp["other", "model.safetensors"], Merging.Random("model.norm.weight", DType.BF16, new(1), 17));
        TargetMismatchException error = Assert.Throws<TargetMismatchException>(() => Restoring.Run(Options(temp, null) with { Merged = temp["other"], Output = temp["no"] }));
        Assert.Equal(4, error.Misses.Count);
        Assert.False(Path.Exists(temp["no"]));
    }

    private static UnmergeOptions Options(TempFolder temp, string? adapter) =>
        Restoring.Options(temp) with { UndoRecord = null, Base = temp["base"], Adapters = adapter is null ? [] : [new(adapter)], TileBytes = 300 };
}
