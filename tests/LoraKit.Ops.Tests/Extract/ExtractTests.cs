using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Extract;
using LoraKit.Ops.Tests.Compute;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Extract;

/// <summary>merge(base, extract(base, tuned)) is tuned, within the error that is reported, which is within a hundredth of the best.</summary>
public sealed class ExtractTests
{
    private const string Q = "model.layers.0.self_attn.q_proj.weight", Down = "model.layers.0.mlp.down_proj.weight";

    public static TheoryData<string> Backends => ComputeBackends.Names;

    [Theory]
    [MemberData(nameof(Backends))]
    public void Merging_gives_the_tuned_model_within_the_reported_error(string backend)
    {
        using ICompute compute = ComputeBackends.Create(backend);
        using TempFolder folder = new();
        TunedModel model = new TunedModel(folder)
            .Matrix(Q, DType.BF16, [37, 53], 5, 0.3).Matrix(Down, DType.BF16, [120, 90], 6, 0.5).Same("model.norm.weight", DType.BF16, 37).Save();
        ExtractReport report = TunedModel.Run(model.Options with { Rank = 4 }, compute);
        Assert.Equal([Down, Q], report.Modules.Select(m => m.Name));
        Assert.Equal(1, report.Skipped);
        Dictionary<string, double[]> merged = model.Merged();
        foreach (ExtractedModule module in report.Modules)
        {
            Assert.Equal(4, module.Rank);
            Assert.Equal(model.ErrorOf(module.Name, merged[module.Name]), module.RelativeError, 1e-5);
            Assert.Equal(1 - (module.RelativeError * module.RelativeError), module.EnergyKept, 1e-12);
            double best = model.BestErrorOf(module.Name, 4);
            Assert.InRange(module.RelativeError, best * 0.999999, best * 1.01);
        }

        Assert.InRange(report.RelativeError, report.Modules.Min(m => m.RelativeError), report.Modules.Max(m => m.RelativeError));
        Assert.Equal(new DirectoryInfo(model.OutputPath).EnumerateFiles().Sum(f => f.Length), report.BytesWritten);
    }

    [Theory]
    [InlineData(DType.F64, DType.F64)]
    [InlineData(DType.F32, DType.F32)]
    [InlineData(DType.F16, DType.F16)]
    [InlineData(DType.BF16, DType.BF16)]
    [InlineData(DType.BF16, DType.F32)]
    [InlineData(DType.F32, DType.F64)]
    public void Every_type_and_two_of_them(DType before, DType after)
    {
        using TempFolder folder = new();
        TunedModel model = new TunedModel(folder).Matrix(Q, before, [37, 53], 3, 0, after).Save();
        ExtractReport report = TunedModel.Run(model.Options with { MaxError = 0.01 });
        using Adapter adapter = AdapterLayouts.Open(model.OutputPath);
        LowRankDelta delta = Assert.IsType<LowRankDelta>(Assert.Single(adapter.Deltas));
        Assert.Equal("q_proj", Assert.Single(adapter.Config!.Json["target_modules"]!.AsArray())!.GetValue<string>());
        Assert.Equal(before == DType.F64 || after == DType.F64 ? DType.F64 : DType.F32, delta.Down.DType);
        Assert.Equal(1, delta.Scale);
        Assert.InRange(report.Modules[0].RelativeError, 0, 0.01);
        Assert.Equal(model.ErrorOf(Q, model.Merged()[Q]), report.Modules[0].RelativeError, 1e-6);
        // Without rounding in the way, the update is of rank 3.
        if (after is DType.F32 or DType.F64) Assert.Equal(3, report.Modules[0].Rank);
    }

    [Fact]
    public void A_merged_low_rank_update_comes_back_at_its_rank()
    {
        using TempFolder folder = new();
        TunedModel model = new TunedModel(folder).Matrix(Q, DType.F32, [128, 96], 4).Matrix(Down, DType.F64, [64, 128], 7).Save();
        ExtractReport report = TunedModel.Run(model.Options with { MaxError = 1e-5 });
        Assert.Equal([7, 4], report.Modules.Select(m => m.Rank));
        // Exact in F64: no more directions than there are, however high the rank.
        report = TunedModel.Run(model.Options with { Rank = 32, Include = "down_proj", Output = new(folder["other"]) });
        Assert.Equal(7, Assert.Single(report.Modules).Rank);
    }

    [Fact]
    public void A_rank_above_the_smaller_side_is_that_side()
    {
        using TempFolder folder = new();
        TunedModel model = new TunedModel(folder).Matrix("a.weight", DType.F32, [5, 60], 5, 1).Matrix("b.weight", DType.F32, [60, 1], 1).Save();
        ExtractReport report = TunedModel.Run(model.Options with { Rank = 64 });
        Assert.Equal([5, 1], report.Modules.Select(m => m.Rank));
        Assert.All(report.Modules, m => Assert.InRange(m.RelativeError, 0, 1e-6));
    }

    [Theory]
    [InlineData(new long[] { 12, 5, 3, 3 })]
    [InlineData(new long[] { 12, 5, 1, 1 })]
    [InlineData(new long[] { 7, 6, 5 })]
    [InlineData(new long[] { 6, 3, 2, 3, 2 })]
    public void Kernels_are_flattened_and_keep_their_sizes(long[] shape)
    {
        using TempFolder folder = new();
        TunedModel model = new TunedModel(folder).Matrix("conv.weight", DType.F32, shape, 3, 0.01).Save();
        ExtractReport report = TunedModel.Run(model.Options with { Rank = 3 });
        using Adapter adapter = AdapterLayouts.Open(model.OutputPath);
        LowRankDelta delta = Assert.IsType<LowRankDelta>(Assert.Single(adapter.Deltas));
        Assert.Equal([3, .. shape[1..]], delta.Down.Shape.Sizes);
        Assert.Equal([shape[0], 3, .. shape.Skip(2).Select(_ => 1L)], delta.Up.Shape.Sizes);
        Assert.Equal(model.ErrorOf("conv.weight", model.Merged()["conv.weight"]), report.Modules[0].RelativeError, 1e-5);
    }

    /// <summary>GPT-2's matrices are [in, out]; the square one is known by the others of its name.</summary>
    [Fact]
    public void Matrices_that_are_stored_the_other_way_merge_back_right()
    {
        using TempFolder folder = new();
        string[] names = ["h.0.attn.c_attn.weight", "h.0.attn.c_proj.weight", "h.0.mlp.c_proj.weight"];
        TunedModel model = new TunedModel(folder)
            .Matrix(names[0], DType.F32, [24, 72], 2).Same("h.0.attn.c_attn.bias", DType.F32, 72)
            .Matrix(names[1], DType.F32, [24, 24], 2).Same("h.0.attn.c_proj.bias", DType.F32, 24)
            .Matrix(names[2], DType.F32, [96, 24], 2).Same("h.0.mlp.c_proj.bias", DType.F32, 24)
            .Save();
        TunedModel.Run(model.Options with { Rank = 2 });
        using Adapter adapter = AdapterLayouts.Open(model.OutputPath);
        Assert.Equal([72, 24, 24], adapter.Deltas.Cast<LowRankDelta>().OrderBy(d => d.Target.Path, StringComparer.Ordinal).Select(d => d.OutFeatures));
        Assert.True(adapter.Config!.Json["fan_in_fan_out"]!.GetValue<bool>());
        Dictionary<string, double[]> merged = model.Merged();
        Assert.All(names, name => Assert.InRange(model.ErrorOf(name, merged[name]), 0, 1e-5));
    }

    [Fact]
    public void An_embedding_becomes_a_low_rank_embedding()
    {
        using TempFolder folder = new();
        TunedModel model = new TunedModel(folder).Matrix("model.embed_tokens.weight", DType.F32, [70, 20], 3).Matrix("lm_head.weight", DType.F32, [70, 20], 2).Save();
        TunedModel.Run(model.Options with { Rank = 3 });
        using Adapter adapter = AdapterLayouts.Open(model.OutputPath);
        Assert.Equal([true, false], adapter.Deltas.Cast<LowRankDelta>().OrderByDescending(d => d.IsEmbedding).Select(d => d.IsEmbedding));
        Dictionary<string, double[]> merged = model.Merged();
        Assert.All(merged, tensor => Assert.InRange(model.ErrorOf(tensor.Key, tensor.Value), 0, 1e-5));
    }

    [Theory]
    [InlineData(FactorType.F16)]
    [InlineData(FactorType.BF16)]
    public void The_error_is_that_of_the_factors_as_they_are_stored(FactorType type)
    {
        using TempFolder folder = new();
        TunedModel model = new TunedModel(folder).Matrix(Q, DType.F32, [37, 53], 3).Save();
        ExtractReport report = TunedModel.Run(model.Options with { MaxError = 1e-6, Output = model.Options.Output with { ElementType = type } });
        Assert.Equal(model.ErrorOf(Q, model.Merged()[Q]), report.Modules[0].RelativeError, 1e-5);
        Assert.InRange(report.Modules[0].RelativeError, 1e-5, 1e-2);
        Assert.Contains("beyond the bound", Assert.Single(report.Warnings));
    }

    [Fact]
    public void Threads_and_memory_do_not_change_the_bytes()
    {
        using TempFolder folder = new();
        TunedModel model = new TunedModel(folder).Matrix(Q, DType.BF16, [300, 200], 9, 1).Matrix(Down, DType.BF16, [200, 300], 9, 1).Save();
        byte[]? expected = null;
        foreach ((int threads, long memory) in ((int, long)[])[(1, 1 << 28), (2, 1 << 28), (7, 1 << 28), (5, 1)])
        {
            string output = folder[$"out-{threads}"];
            TunedModel.Run(model.Options with { Energy = 0.6, Threads = threads, MemoryBytes = memory, Output = new(output) });
            byte[] actual = File.ReadAllBytes(Path.Combine(output, "adapter_model.safetensors"));
            Assert.Equal(expected ??= actual, actual);
        }
    }

    [Fact]
    public void The_base_has_a_name()
    {
        using TempFolder folder = new();
        TunedModel model = new TunedModel(folder).Matrix(Q, DType.F32, [8, 9], 1).Save("""{"_name_or_path": "org/base", "model_type": "llama"}""");
        TunedModel.Run(model.Options with { Rank = 1 });
        Assert.Equal("org/base", BaseModel(model.OutputPath));
        TunedModel.Run(model.Options with { Rank = 1, BaseModel = "org/other", Output = new(folder["named"]) });
        Assert.Equal("org/other", BaseModel(folder["named"]));
        File.Delete(folder["base", "config.json"]);
        TunedModel.Run(model.Options with { Rank = 1, Output = new(folder["unnamed"]) });
        Assert.Equal("base", BaseModel(folder["unnamed"]));

        static string? BaseModel(string path)
        {
            using Adapter adapter = AdapterLayouts.Open(path);
            return adapter.Config!.BaseModel;
        }
    }
}
