using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Stack;
using LoraKit.Ops.Tests.Compute;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Stack;

/// <summary>cat, linear and svd: Σ wᵢ·sᵢ·Bᵢ·Aᵢ against naive loops in F64, and the best approximation of it.</summary>
public sealed class StackSumTests
{
    private const string Q = "model.layers.0.q_proj.weight", K = "model.layers.0.k_proj.weight", V = "model.layers.1.v_proj.weight";

    public static IEnumerable<TheoryDataRow<string, string>> Whole() =>
        from method in (string[])["cat", "linear", "svd"]
        from backend in ComputeBackends.Names
        select new TheoryDataRow<string, string>(method, backend);

    public static TheoryData<string> Backends => ComputeBackends.Names;

    // Unequal ranks and scales, a negative weight, rsLoRA, a rank pattern, modules that only some have.
    private static AdapterInput[] Inputs(TempFolder temp, DType dtype = DType.F32)
    {
        Stacking.Adapter(temp["a"], 1, 3, 12, dtype, ("model.layers.0.q_proj", 37, 53), ("model.layers.0.k_proj", 29, 41));
        PeftFolder b = new(temp["b"], 5, 2.5);
        Random random = new(2);
        b.Linear("model.layers.1.v_proj", 53, 37, random, dtype);
        b.Linear("model.layers.0.q_proj", 37, 53, random, dtype);
        b.Config["use_rslora"] = true;
        b.Save();
        PeftFolder c = new(temp["c"], 2, 8);
        c.Linear("model.layers.0.q_proj", 37, 53, random, dtype);
        c.Add("base_model.model.model.layers.0.k_proj.lora_A.weight", dtype, [7, 41], PeftFolder.Values(random, 7 * 41, dtype));
        c.Add("base_model.model.model.layers.0.k_proj.lora_B.weight", dtype, [29, 7], PeftFolder.Values(random, 29 * 7, dtype));
        c.Config["rank_pattern"] = new System.Text.Json.Nodes.JsonObject { ["k_proj"] = 7 };
        c.Config["alpha_pattern"] = new System.Text.Json.Nodes.JsonObject { ["k_proj"] = 3 };
        c.Save();
        return [new(temp["a"], 0.7), new(temp["b"], -0.5), new(temp["c"], 1.25)];
    }

    [Theory]
    [MemberData(nameof(Whole))]
    public void The_result_is_the_weighted_sum(string method, string backend)
    {
        using TempFolder temp = new();
        using ICompute compute = ComputeBackends.Create(backend);
        AdapterInput[] inputs = Inputs(temp);
        StackReport report = Stacking.Run(Stacking.Options(temp["out"], method, inputs) with { Rank = method == "svd" ? 20 : null }, compute);

        Dictionary<string, double[,]> actual = Stacking.Updates(temp["out"]);
        Assert.Equal([Q, K, V], actual.Keys.Order(StringComparer.Ordinal).Reverse().OrderBy(n => Array.IndexOf([Q, K, V], n)));
        foreach ((string name, List<double[,]> tasks) in Stacking.Tasks(inputs)) Stacking.AssertClose(Stacking.Sum(tasks), actual[name]);
        Assert.Equal([10, 10, 5], report.Modules.OrderBy(m => Array.IndexOf([Q, K, V], m.Name + ".weight")).Select(m => m.RankAfter));
        Assert.Equal([3, 0, 7], report.Modules.Single(m => m.Name + ".weight" == K).Ranks);
        Assert.All(report.Modules, m => Assert.True(m.RelativeError < 1e-12));
    }

    [Theory]
    [InlineData(DType.BF16)]
    [InlineData(DType.F16)]
    [InlineData(DType.F64)]
    public void Every_element_type_sums_exactly(DType dtype)
    {
        using TempFolder temp = new();
        AdapterInput[] inputs = Inputs(temp, dtype);
        foreach (string method in (string[])["cat", "linear"])
        {
            Stacking.Run(Stacking.Options(temp[method], method, inputs));
            Dictionary<string, double[,]> actual = Stacking.Updates(temp[method]);
            double tolerance = dtype == DType.F64 ? 1e-14 : 1e-7;
            foreach ((string name, List<double[,]> tasks) in Stacking.Tasks(inputs)) Stacking.AssertClose(Stacking.Sum(tasks), actual[name], tolerance);
        }
    }

    [Fact]
    public void Cat_keeps_the_down_factors_as_they_are()
    {
        using TempFolder temp = new();
        Stacking.Adapter(temp["a"], 1, 2, 4, DType.BF16, ("q", 5, 7));
        Stacking.Adapter(temp["b"], 2, 3, 3, DType.BF16, ("q", 5, 7));
        Stacking.Run(Stacking.Options(temp["out"], "cat", new AdapterInput(temp["a"], 0.3), new AdapterInput(temp["b"])));
        using Adapter a = AdapterLayouts.Open(temp["a"]), b = AdapterLayouts.Open(temp["b"]), result = AdapterLayouts.Open(temp["out"]);
        LowRankDelta delta = Assert.IsType<LowRankDelta>(Assert.Single(result.Deltas));
        Assert.Equal(DType.BF16, delta.Down.DType);
        Assert.Equal(DType.F32, delta.Up.DType);
        Assert.Equal(1, delta.Scale);
        Assert.Equal([.. ((LowRankDelta)a.Deltas[0]).Down.ToDoubles(), .. ((LowRankDelta)b.Deltas[0]).Down.ToDoubles()], delta.Down.ToDoubles());
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void A_cut_is_the_best_approximation_and_its_error_the_tail(string backend)
    {
        using TempFolder temp = new();
        using ICompute compute = ComputeBackends.Create(backend);
        AdapterInput[] inputs = Inputs(temp);
        StackReport report = Stacking.Run(Stacking.Options(temp["out"], "svd", inputs) with { Rank = 4 }, compute);
        Dictionary<string, double[,]> actual = Stacking.Updates(temp["out"]);
        double lost = 0, all = 0;
        foreach ((string name, List<double[,]> tasks) in Stacking.Tasks(inputs))
        {
            NaiveSvd svd = NaiveSvd.Of(Stacking.Sum(tasks));
            Stacking.AssertClose(svd.With((s, k) => k < 4 ? s : 0), actual[name]);
            StackedModuleReport module = report.Modules.Single(m => m.Name + ".weight" == name);
            double tail = svd.Sigma.Skip(4).Sum(s => s * s), energy = svd.Sigma.Sum(s => s * s);
            Assert.Equal(Math.Sqrt(tail / energy), module.RelativeError!.Value, 1e-9);
            Assert.Equal(4, module.RankAfter);
            (lost, all) = (lost + tail, all + energy);
        }

        Assert.Equal(Math.Sqrt(lost / all), report.RelativeError!.Value, 1e-9);
    }

    [Fact]
    public void The_default_rank_of_svd_is_the_largest_input_and_an_energy_takes_the_least_that_keeps_it()
    {
        using TempFolder temp = new();
        AdapterInput[] inputs = Inputs(temp);
        StackReport largest = Stacking.Run(Stacking.Options(temp["largest"], "svd", inputs));
        Assert.Equal([5, 7, 5], largest.Modules.OrderBy(m => Array.IndexOf([Q, K, V], m.Name + ".weight")).Select(m => m.RankAfter));
        StackReport energy = Stacking.Run(Stacking.Options(temp["energy"], "cat", inputs) with { Energy = 0.9 });
        foreach ((string name, List<double[,]> tasks) in Stacking.Tasks(inputs))
        {
            double[] sigma = NaiveSvd.Of(Stacking.Sum(tasks)).Sigma;
            int least = Enumerable.Range(1, sigma.Length).First(k => sigma.Take(k).Sum(s => s * s) >= 0.9 * sigma.Sum(s => s * s));
            Assert.Equal(least, energy.Modules.Single(m => m.Name + ".weight" == name).RankAfter);
        }
    }

    [Fact]
    public void A_kernel_and_an_embedding_keep_their_shapes()
    {
        using TempFolder temp = new();
        foreach ((string name, int rank) in ((string, int)[])[("a", 2), ("b", 3)])
        {
            PeftFolder adapter = new(temp[name], rank, 5);
            Random random = new(rank);
            adapter.Add("base_model.model.conv.lora_A.weight", DType.F32, [rank, 4, 3, 2], PeftFolder.Values(random, rank * 24, DType.F32));
            adapter.Add("base_model.model.conv.lora_B.weight", DType.F32, [6, rank, 1, 1], PeftFolder.Values(random, 6 * rank, DType.F32));
            adapter.Add("base_model.model.embed_tokens.lora_embedding_A", DType.F32, [rank, 31], PeftFolder.Values(random, rank * 31, DType.F32));
            adapter.Add("base_model.model.embed_tokens.lora_embedding_B", DType.F32, [12, rank], PeftFolder.Values(random, 12 * rank, DType.F32));
            adapter.Save();
        }

        AdapterInput[] inputs = [new(temp["a"], -2), new(temp["b"], 0.5)];
        foreach (string method in (string[])["cat", "svd"])
        {
            Stacking.Run(Stacking.Options(temp[method], method, inputs) with { Rank = method == "svd" ? 5 : null });
            Dictionary<string, double[,]> actual = Stacking.Updates(temp[method]);
            foreach ((string name, List<double[,]> tasks) in Stacking.Tasks(inputs)) Stacking.AssertClose(Stacking.Sum(tasks), actual[name]);
            var stored = SafetensorsBytes.Read(temp[method, "adapter_model.safetensors"]);
            Assert.Equal(new TensorShape(5, 4, 3, 2), stored["base_model.model.conv.lora_A.weight"].Shape);
            Assert.Equal(new TensorShape(6, 5, 1, 1), stored["base_model.model.conv.lora_B.weight"].Shape);
            Assert.Equal(new TensorShape(5, 31), stored["base_model.model.embed_tokens.lora_embedding_A"].Shape);
        }
    }

    [Fact]
    public void The_rank_never_exceeds_the_matrix_and_zeros_stay_a_module()
    {
        using TempFolder temp = new();
        Stacking.Adapter(temp["a"], 1, 5, 5, DType.F32, ("small", 4, 6), ("none", 4, 6));
        Stacking.Adapter(temp["b"], 2, 3, 3, DType.F32, ("small", 4, 6), ("none", 4, 6));
        AdapterInput[] inputs = [new(temp["a"]), new(temp["b"], 2)];
        Assert.Equal([4, 4], Stacking.Run(Stacking.Options(temp["out"], "linear", inputs)).Modules.Select(m => m.RankAfter));
        foreach ((string name, List<double[,]> tasks) in Stacking.Tasks(inputs)) Stacking.AssertClose(Stacking.Sum(tasks), Stacking.Updates(temp["out"])[name]);

        StackReport nothing = Stacking.Run(Stacking.Options(temp["zero"], "linear", new AdapterInput(temp["a"], 0), new AdapterInput(temp["b"], 0)));
        Assert.Equal([1, 1], nothing.Modules.Select(m => m.RankAfter));
        Assert.All(Stacking.Updates(temp["zero"]).Values, update => Assert.Equal(0, Stacking.Norm(update)));
    }

    [Fact]
    public void What_cancels_is_left_out_of_the_rank()
    {
        using TempFolder temp = new();
        Stacking.Adapter(temp["a"], 1, 3, 3, DType.F32, ("q", 20, 30));
        Stacking.Adapter(temp["b"], 2, 4, 4, DType.F32, ("q", 20, 30));
        StackReport report = Stacking.Run(Stacking.Options(
            temp["out"], "linear", new(temp["a"], 0.5), new(temp["b"]), new(temp["a"], -0.5)));
        Assert.Equal(4, Assert.Single(report.Modules).RankAfter);
        Stacking.AssertClose(Stacking.Updates(temp["b"])["q.weight"], Stacking.Updates(temp["out"])["q.weight"]);
    }

    [Fact]
    public void One_adapter_is_weighted()
    {
        using TempFolder temp = new();
        Stacking.Adapter(temp["a"], 1, 3, 6, DType.F32, ("q", 20, 30));
        Stacking.Run(Stacking.Options(temp["out"], "cat", new AdapterInput(temp["a"], -0.25)));
        Stacking.AssertClose(
            Stacking.Map(Stacking.Updates(temp["a"])["q.weight"], (x, _, _) => -0.25 * x), Stacking.Updates(temp["out"])["q.weight"]);
    }

    [Fact]
    public void Trained_biases_are_summed_under_every_method()
    {
        using TempFolder temp = new();
        foreach ((string name, int seed) in ((string, int)[])[("a", 1), ("b", 2)])
        {
            PeftFolder adapter = new(temp[name], 2, 5);
            Random random = new(seed);
            adapter.Linear("q", 8, 6, random);
            adapter.Add("base_model.model.q.lora_B.bias", DType.F32, [8], PeftFolder.Values(random, 8, DType.F32));
            adapter.Config["lora_bias"] = true;
            adapter.Save();
        }

        foreach (string method in (string[])["cat", "ties"])
        {
            Stacking.Run(Stacking.Options(temp[method], method, new(temp["a"], 0.5), new(temp["b"], -3)) with { Density = method == "ties" ? 0.5 : null });
            using Adapter a = AdapterLayouts.Open(temp["a"]), b = AdapterLayouts.Open(temp["b"]), result = AdapterLayouts.Open(temp[method]);
            (double[] one, double[] two, double[] sum) = (Bias(a), Bias(b), Bias(result));
            for (int i = 0; i < 8; i++) Assert.Equal((0.5 * one[i]) - (3 * two[i]), sum[i], 1e-6);
        }

        static double[] Bias(Adapter adapter)
        {
            DenseDelta dense = adapter.Deltas.OfType<DenseDelta>().Single();
            return [.. dense.Values.ToDoubles().Select(v => v * dense.Scale)];
        }
    }
}
