using LoraKit.Formats;
using LoraKit.Ops.Diff;
using LoraKit.Ops.Tests.Adapters;
using LoraKit.Ops.Tests.Conversion;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Diff;

/// <summary>Adapters of other kinds than LoRA, compared by their updates.</summary>
public sealed class KindDiffTests
{
    [Theory]
    [InlineData(3)]
    [InlineData(9)]
    public void An_additive_kind_and_its_truncation(int rank)
    {
        using TempFolder folder = new();
        double[] update = Converting.WriteLoha(folder["a"], 6, rank, ("layers.0.m", 37, 53))["layers.0.m"];
        Converting.Run(Converting.Options(folder["a"], folder["b"]) with { Rank = 4 });
        double[] other = DeltaOracle.Updates(folder["b"])["layers.0.m"];
        TensorDifference difference = Assert.Single(DiffReport.Run(new() { A = folder["a"], B = folder["b"] }).Tensors);
        Assert.Equal(DeltaOracle.Distance(update, other) / DeltaOracle.Norm(update), difference.Relative!.Value, 1e-9);
        Assert.Equal(update.Zip(other, (x, y) => Math.Abs(x - y)).Max(), difference.MaxAbs!.Value, 1e-9);
        Assert.Equal(0, Assert.Single(DiffReport.Run(new() { A = folder["a"], B = folder["a"] }).Tensors).MaxAbs);
    }

    [Fact]
    public void A_kind_that_needs_its_base_says_so()
    {
        string adapter = Paths.Fixture("lycoris", "locon-dora", "adapter.safetensors");
        UnsupportedException refused = Assert.Throws<UnsupportedException>(() => DiffReport.Run(new() { A = adapter, B = adapter }));
        Assert.Contains("convert --to peft --max-error 0 --base", refused.Message);
    }
}
