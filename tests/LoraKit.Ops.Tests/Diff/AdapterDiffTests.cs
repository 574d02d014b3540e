using LoraKit.Formats.Tensors;
using LoraKit.Ops.Diff;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Diff;

/// <summary>Adapters compared by their updates, against naive products.</summary>
public sealed class AdapterDiffTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(1 << 17)]
    public void Updates_of_unequal_ranks_and_scales(int tile)
    {
        using TempFolder folder = new();
        Random random = new(1);
        PeftFolder a = new(folder["a"], 3, 12), b = new(folder["b"], 60, 7);
        (double[] downA, double[] upA) = a.Linear("m", 37, 53, random);
        (double[] downB, double[] upB) = b.Linear("m", 37, 53, random, DType.BF16);
        double[] x = Update(upA, downA, 3, a.Scale), y = Update(upB, downB, 60, b.Scale);
        DiffReport report = DiffReport.Run(new() { A = a.Save(), B = b.Save(), PieceElements = tile });
        TensorDifference difference = Assert.Single(report.Tensors);
        Assert.True(report.IsOfAdapters);
        Assert.Equal(("m", DiffStatus.Different, 37L * 53), (difference.Name, difference.Status, difference.Differing));
        double[] gaps = [.. x.Zip(y, (p, q) => p - q)];
        Assert.Equal(gaps.Max(Math.Abs), difference.MaxAbs!.Value, 1e-12);
        Assert.Equal(Norm(gaps) / Norm(x), difference.Relative!.Value, 1e-12);
        Assert.Equal(x.Zip(y, (p, q) => p * q).Sum() / (Norm(x) * Norm(y)), difference.Cosine!.Value, 1e-12);
        Assert.Null(difference.MaxUlp);
        Assert.Equal(difference.Relative!.Value, report.Relative!.Value, 1e-12);
    }

    [Fact]
    public void The_same_update_in_other_factors_is_equal()
    {
        using TempFolder folder = new();
        PeftFolder a = new(folder["a"], 3, 12), b = new(folder["b"], 4, 4);
        (double[] down, double[] up) = a.Linear("m", 37, 53, new Random(2));
        // The scale folded into B, the directions in another order, and one that is zero.
        double[] downB = [.. down[106..], .. down[..53], .. down[53..106], .. new double[53]];
        double[] upB = new double[37 * 4];
        for (int i = 0; i < 37; i++) (upB[i * 4], upB[(i * 4) + 1], upB[(i * 4) + 2]) = (4 * up[(i * 3) + 2], 4 * up[i * 3], 4 * up[(i * 3) + 1]);
        b.Add("base_model.model.m.lora_A.weight", DType.F64, [4, 53], downB);
        b.Add("base_model.model.m.lora_B.weight", DType.F64, [37, 4], upB);
        DiffReport report = DiffReport.Run(new() { A = a.Save(), B = b.Save() });
        Assert.True(report.Equal);
        Assert.Equal((0.0, 0.0), (report.Relative, report.MaxAbs));

        // One element of one factor by the least that F64 sums show.
        upB[0] *= 1 + 1e-10;
        PeftFolder c = new(folder["c"], 4, 4);
        c.Add("base_model.model.m.lora_A.weight", DType.F64, [4, 53], downB);
        c.Add("base_model.model.m.lora_B.weight", DType.F64, [37, 4], upB);
        TensorDifference difference = Assert.Single(DiffReport.Run(new() { A = folder["a"], B = c.Save() }).Tensors);
        Assert.Equal(53, difference.Differing);
    }

    [Fact]
    public void Names_shapes_and_replacements()
    {
        using TempFolder folder = new();
        Random random = new(4);
        PeftFolder a = new(folder["a"], 2, 2), b = new(folder["b"], 2, 2);
        a.Linear("one", 3, 4, random);
        a.Linear("turned", 3, 4, random);
        b.Linear("two", 3, 4, random);
        b.Linear("turned", 4, 3, random);
        foreach (PeftFolder adapter in (PeftFolder[])[a, b])
        {
            adapter.Config["modules_to_save"] = new System.Text.Json.Nodes.JsonArray("head");
            adapter.Add("base_model.model.head.weight", DType.F32, [2, 2], [1, 2, 3, adapter == a ? 4 : 5]);
        }

        DiffReport report = DiffReport.Run(new() { A = a.Save(), B = b.Save() });
        Assert.Equal(
            [("head.weight", DiffStatus.Different), ("one", DiffStatus.OnlyInA), ("turned", DiffStatus.Shape), ("two", DiffStatus.OnlyInB)],
            report.Tensors.Select(t => (t.Name, t.Status)).Order());
        Assert.Equal(1, report.MaxAbs);
    }

    [Fact]
    public void Every_fixture_equals_itself()
    {
        foreach (string folder in Directory.EnumerateDirectories(Paths.Fixture("peft")))
        {
            DiffReport report = DiffReport.Run(new() { A = Path.Combine(folder, "adapter"), B = Path.Combine(folder, "adapter") });
            Assert.True(report.Equal, folder);
            Assert.All(report.Tensors, t => Assert.True(t.Count > 0));
        }
    }

    private static double[] Update(double[] up, double[] down, int rank, double scale) =>
        Oracle.AddProduct(new double[37 * 53], [.. up.Select(v => v * scale)], down, 37, 53, rank).Values;

    private static double Norm(double[] values) => Math.Sqrt(values.Sum(v => v * v));
}
