using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Extract;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Extract;

/// <summary>What stops an extraction, with nothing left behind.</summary>
public sealed class ExtractRefusalTests
{
    private const string Q = "a.q_proj.weight";

    [Fact]
    public void Models_of_other_tensors_or_shapes()
    {
        using TempFolder folder = new();
        TunedModel model = new TunedModel(folder).Matrix(Q, DType.F32, [8, 9], 1)
            .AddToBase("a.old.weight", DType.F32, [1], [1]).AddToTuned("a.new.weight", DType.F32, [1], [1])
            .AddToBase("a.k.weight", DType.F32, [2], [1, 2]).AddToTuned("a.k.weight", DType.F32, [3], [1, 2, 3])
            .AddToBase("embed_tokens.weight", DType.F32, [2, 1], [1, 2]).AddToTuned("embed_tokens.weight", DType.F32, [3, 1], [1, 2, 3])
            .Save();
        TargetMismatchException refused = Assert.Throws<TargetMismatchException>(() => TunedModel.Run(model.Options with { Rank = 1 }));
        Assert.Equal(
        [
            "a.k.weight is [2] in the base, [3] in the tuned model",
            "a.new.weight is only in the tuned model",
            "a.old.weight is only in the base",
            "embed_tokens.weight is [2, 1] in the base, [3, 1] in the tuned model (a vocabulary of another size can be carried in full only: --full embeddings)",
        ], refused.Misses);
        TunedModel.Run(model.Options with { Rank = 1, Exclude = @"\.(new|old|k)\.|embed_tokens" });
        Assert.True(Directory.Exists(model.OutputPath));
    }

    [Theory]
    [InlineData(DType.F8E4M3)]
    [InlineData(DType.F8E5M2)]
    [InlineData(DType.I32)]
    public void Quantised_tensors_that_changed(DType type)
    {
        using TempFolder folder = new();
        TunedModel model = new TunedModel(folder).Matrix("b.weight", DType.F32, [8, 9], 1).Save();
        byte[] one = [1, 2, 3, 4, 5, 6, 7, 8], two = [1, 2, 3, 4, 5, 6, 7, 9];
        WriteRaw(folder["base", "model-2.safetensors"], Q, type, one);
        WriteRaw(folder["tuned", "model-2.safetensors"], Q, type, two);
        ExtractOptions options = model.Options with { Base = folder["base", "model-2.safetensors"], Tuned = folder["tuned", "model-2.safetensors"], Rank = 1 };
        UnsupportedException refused = Assert.Throws<UnsupportedException>(() => TunedModel.Run(options));
        Assert.Equal(Q, refused.Tensor);
        Assert.Contains(type.FileName(), refused.Message);
        Assert.Contains("not quantised", refused.Message);
        Assert.False(Directory.Exists(model.OutputPath));
    }

    [Theory]
    [InlineData(double.NaN, 8)]
    [InlineData(double.PositiveInfinity, 60)]
    public void A_value_that_is_not_finite(double value, int rows)
    {
        using TempFolder folder = new();
        double[] before = new double[rows * 50], after = [.. before];
        (after[3], after[7]) = (1, value);
        TunedModel model = new TunedModel(folder).Add(Q, DType.BF16, [rows, 50], before, after).Save();
        NonFiniteException refused = Assert.Throws<NonFiniteException>(() => TunedModel.Run(model.Options with { Rank = 1 }));
        Assert.Equal(Q, refused.Tensor);
        Assert.Equal(folder["tuned", "model.safetensors"], refused.File);
        Assert.Contains("element 7", refused.Message);
        Assert.False(Directory.Exists(model.OutputPath));
    }

    [Fact]
    public void A_row_that_is_longer_than_arrays_are()
    {
        ComputedTensor wide = new(Q, DType.BF16, new(1, 3_000_000_000), (_, _) => throw new InvalidOperationException("nothing is read"));
        Assert.Equal(Q, Assert.Throws<UnsupportedException>(() => new DifferenceRows(wide, wide)).Tensor);
    }

    [Theory]
    [InlineData("(")]
    [InlineData("(?<=x)y")]
    public void A_name_filter_that_is_none(string expression)
    {
        using TempFolder folder = new();
        TunedModel model = new TunedModel(folder).Matrix(Q, DType.F32, [8, 9], 1).Save();
        InvalidOptionException refused = Assert.Throws<InvalidOptionException>(() => TunedModel.Run(model.Options with { Rank = 1, Exclude = expression }));
        Assert.Contains(expression, refused.Message, StringComparison.Ordinal);
    }

    /// <summary>Backtracking would try for ever.</summary>
    [Fact]
    public void A_name_filter_takes_time_linear_in_the_name()
    {
        using TempFolder folder = new();
        string name = new string('a', 60) + ".weight";
        TunedModel model = new TunedModel(folder).Matrix(name, DType.F32, [8, 9], 1).Save();
        Assert.Single(TunedModel.Run(model.Options with { Rank = 1, Exclude = "((((.*)*)*)*)*$x" }).Modules);
    }

    [Fact]
    public void A_norm_that_is_not_finite()
    {
        using TempFolder folder = new();
        TunedModel model = new TunedModel(folder).Add("norm.weight", DType.F32, [2], [1, 1], [1, double.NaN]).Save();
        Assert.Equal("norm.weight", Assert.Throws<NonFiniteException>(() => TunedModel.Run(model.Options with { Rank = 1 })).Tensor);
    }

    [Fact]
    public void Models_that_do_not_differ()
    {
        using TempFolder folder = new();
        TunedModel model = new TunedModel(folder).Same(Q, DType.F32, 8, 9).Add("b.weight", DType.F32, [2, 2], [0, 1, 2, 3], [-0.0, 1, 2, 3])
            .Add("c.weight", DType.BF16, [2, 2], [0, 1, 2, 3], [0, 1, 2, 3], DType.F32).Save();
        Assert.Contains("differs from", Assert.Throws<UnsupportedException>(() => TunedModel.Run(model.Options with { Rank = 1 })).Message);
        Assert.False(Directory.Exists(model.OutputPath));
    }

    [Fact]
    public void Options_that_make_no_sense()
    {
        using TempFolder folder = new();
        TunedModel model = new TunedModel(folder).Matrix(Q, DType.F32, [8, 9], 1).Save();
        foreach (ExtractOptions options in (ExtractOptions[])
        [
            model.Options, model.Options with { Rank = 0 }, model.Options with { Rank = 1, Energy = 0.5 }, model.Options with { Energy = 2 },
            model.Options with { MaxError = -1 }, model.Options with { Rank = 1, Include = "(" }, model.Options with { Rank = 1, Layout = "none" },
            model.Options with { Rank = 1, MemoryBytes = 0 }, model.Options with { Rank = 1, Threads = -1 },
            model.Options with { Rank = 1, Output = new(folder["out.safetensors"]) },
        ])
        {
            Assert.Throws<InvalidOptionException>(() => TunedModel.Run(options));
        }
    }

    [Fact]
    public void An_output_that_is_there_or_is_an_input()
    {
        using TempFolder folder = new();
        TunedModel model = new TunedModel(folder).Matrix(Q, DType.F32, [8, 9], 1).Save();
        Directory.CreateDirectory(model.OutputPath);
        File.WriteAllText(Path.Combine(model.OutputPath, "kept"), "");
        foreach (string output in (string[])[model.OutputPath, model.BasePath, model.TunedPath])
        {
            Assert.Throws<OutputException>(() => ExtractPlan.Create(model.Options with { Rank = 1, Output = new(output) { Overwrite = output != model.OutputPath } }));
        }
    }

    [Fact]
    public void Cancellation()
    {
        using TempFolder folder = new();
        TunedModel model = new TunedModel(folder).Matrix(Q, DType.F32, [8, 9], 1).Save();
        using ExtractPlan plan = ExtractPlan.Create(model.Options with { Rank = 1 });
        Assert.ThrowsAny<OperationCanceledException>(() => plan.Run(new SimdCompute(), progress: null, new CancellationToken(true)));
        Assert.False(Directory.Exists(model.OutputPath));
    }

    private static void WriteRaw(string path, string name, DType type, byte[] bytes)
    {
        Formats.Safetensors.SafetensorsHeader header = Formats.Safetensors.SafetensorsHeader.Plan(
            [(name, type, new TensorShape(bytes.Length / type.Bytes(), 1))], new Dictionary<string, string>());
        File.WriteAllBytes(path, [.. header.ToBytes(), .. bytes]);
    }
}
