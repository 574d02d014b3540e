using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Resize;
using LoraKit.Ops.Stack;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Ops.Tests.Resize;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Stack;

/// <summary>What cannot be combined stops before anything is written, with what was found and where.</summary>
public sealed class StackRefusalTests
{
    public static TheoryData<string, StackOptions> Settings()
    {
        StackOptions ties = Stacking.Options("out", "ties") with { Density = 0.5 };
        return new()
        {
            { "expected one of cat, linear", ties with { Method = "tie" } },
            { "needs a density", ties with { Density = null } },
            { "density is 0", ties with { Density = 0 } },
            { "density is 1.5", ties with { Density = 1.5 } },
            { "density is -0.5", ties with { Density = -0.5 } },
            { "density is NaN", ties with { Density = double.NaN } },
            { "lambda is NaN", ties with { Lambda = double.NaN } },
            { "rank is 0", ties with { Rank = 0 } },
            { "rank is -3", ties with { Rank = -3 } },
            { "energy is 0", ties with { Energy = 0 } },
            { "energy is 1.01", ties with { Energy = 1.01 } },
            { "exclude each other", ties with { Energy = 0.5, Rank = 3 } },
            { "no use for seed", ties with { Seed = 1 } },
            { "no use for gamma", ties with { Gamma = 0.1 } },
            { "no use for epsilon", ties with { Epsilon = 0.1 } },
            { "no use for density", ties with { Method = "cat" } },
            { "no use for lambda", ties with { Method = "svd", Density = null, Lambda = 2 } },
            { "no use for space", ties with { Method = "knots", Space = StackSpace.Dense } },
            { "no use for sign election", ties with { Method = "sce", Sign = SignElection.Total } },
            { "gamma is 0.6", ties with { Method = "breadcrumbs", Gamma = 0.6 } },
            { "epsilon is 0.5", ties with { Method = "della", Epsilon = 0.5 } },
            { "no combination type of PEFT", ties with { Method = "sce", Semantics = StackSemantics.Peft } },
            { "no use for lambda", ties with { Lambda = 1, Semantics = StackSemantics.Peft } },
            { "no use for rank", ties with { Rank = 2, Semantics = StackSemantics.Peft } },
            { "needs a density", ties with { Density = null, Semantics = StackSemantics.Peft } },
        };
    }

    [Theory]
    [MemberData(nameof(Settings))]
    public void Settings_that_make_no_sense(string message, StackOptions options)
    {
        using TempFolder temp = new();
        Stacking.Adapter(temp["a"], 1, 2, 2, DType.F32, ("q", 4, 5));
        Refused<InvalidOptionException>(temp, options with { Adapters = [new(temp["a"]), new(temp["a"])] }, message);
    }

    [Fact]
    public void No_adapters_and_weights_that_are_no_numbers()
    {
        using TempFolder temp = new();
        Stacking.Adapter(temp["a"], 1, 2, 2, DType.F32, ("q", 4, 5));
        Refused<InvalidOptionException>(temp, Stacking.Options("out", "cat"), "no adapter");
        Refused<InvalidOptionException>(temp, Stacking.Options("out", "cat", new AdapterInput(temp["a"], double.NaN)), "weight");
    }

    [Fact]
    public void Shapes_that_differ_are_all_listed_with_both_files()
    {
        using TempFolder temp = new();
        Stacking.Adapter(temp["a"], 1, 2, 2, DType.F32, ("layers.0.q", 4, 5), ("layers.0.k", 4, 5), ("layers.0.v", 4, 5));
        Stacking.Adapter(temp["b"], 2, 2, 2, DType.F32, ("layers.0.q", 4, 6), ("layers.0.k", 5, 5), ("layers.0.v", 4, 5));
        TargetMismatchException refusal = Refused<TargetMismatchException>(
            temp, Stacking.Options("out", "cat", new(temp["a"]), new(temp["b"])), "2 modules");
        Assert.Equal(2, refusal.Misses.Count);
        Assert.Contains(refusal.Misses, m => m.Contains("layers.0.q") && m.Contains("[4, 5]") && m.Contains("[4, 6]") && m.Contains(temp["a"]) && m.Contains(temp["b"]));
    }

    [Fact]
    public void A_kernel_is_not_its_flattened_size()
    {
        using TempFolder temp = new();
        foreach ((string name, long[] kernel) in ((string, long[])[])[("a", [2, 3]), ("b", [3, 2])])
        {
            PeftFolder adapter = new(temp[name], 1, 1);
            adapter.Add("base_model.model.conv.lora_A.weight", DType.F32, [1, 4, .. kernel], PeftFolder.Values(new Random(1), 24, DType.F32));
            adapter.Add("base_model.model.conv.lora_B.weight", DType.F32, [5, 1, 1, 1], PeftFolder.Values(new Random(2), 5, DType.F32));
            adapter.Save();
        }

        Refused<TargetMismatchException>(temp, Stacking.Options("out", "cat", new(temp["a"]), new(temp["b"])), "1 module of");
    }

    [Fact]
    public void Names_that_differ_in_a_prefix_only()
    {
        using TempFolder temp = new();
        Stacking.Adapter(temp["a"], 1, 2, 2, DType.F32, ("model.layers.0.q_proj", 4, 5));
        Stacking.Adapter(temp["b"], 2, 2, 2, DType.F32, ("layers.0.q_proj", 4, 5));
        Refused<InvalidAdapterException>(temp, Stacking.Options("out", "cat", new(temp["a"]), new(temp["b"])), "under another prefix");
    }

    [Fact]
    public void Modules_of_different_parts_of_a_model()
    {
        using TempFolder temp = new();
        foreach ((string name, string module) in ((string, string)[])[("a", "layers.0.q_proj"), ("b", "decoder.0.q_proj")])
        {
            PeftFolder adapter = new(temp[name], 2, 2);
            adapter.Linear(module, 4, 5, new Random(1));
            adapter.Save();
        }

        StackOptions options = Stacking.Options(temp["out"], "cat", new(temp["a"]), new(temp["b"]));
        TargetMismatchException refusal = Assert.Throws<TargetMismatchException>(() => StackPlan.Create(options));
        Assert.Equal((temp["b"], "decoder.0.q_proj.weight"), (refusal.File, refusal.Tensor));
        using StackPlan plan = StackPlan.Create(options with { AllowUnmatched = true });
        Assert.Equal(2, plan.Modules.Count);
    }

    [Fact]
    public void Nothing_in_common_and_different_bases_are_warnings()
    {
        using TempFolder temp = new();
        foreach ((string name, int layer) in ((string, int)[])[("a", 0), ("b", 1)])
        {
            PeftFolder adapter = new(temp[name], 2, 2);
            adapter.Config["base_model_name_or_path"] = $"org/{name}";
            adapter.Linear($"layers.{layer}.q_proj", 4, 5, new Random(layer));
            adapter.Save();
        }

        using StackPlan plan = StackPlan.Create(Stacking.Options(temp["out"], "cat", new(temp["a"]), new(temp["b"])));
        Assert.Contains(plan.Warnings, w => w.Contains("no module in common"));
        Assert.Contains(plan.Warnings, w => w.Contains("'org/a', 'org/b'"));
        Assert.Equal(2, plan.Modules.Count);
    }

    [Theory]
    [InlineData("cat", null)]
    [InlineData("ties", 0.5)]
    [InlineData("knots", 0.5)]
    public void A_value_that_is_not_finite(string method, double? density)
    {
        using TempFolder temp = new();
        Stacking.Adapter(temp["a"], 1, 2, 2, DType.F32, ("q", 4, 5));
        PeftFolder broken = new(temp["b"], 1, 1);
        broken.Add("base_model.model.q.lora_A.weight", DType.F32, [1, 5], [1, 2, double.NaN, 4, 5]);
        broken.Add("base_model.model.q.lora_B.weight", DType.F32, [4, 1], [1, 2, 3, 4]);
        broken.Save();
        NonFiniteException refusal = Refused<NonFiniteException>(
            temp, Stacking.Options("out", method, new(temp["a"]), new(temp["b"])) with { Density = density }, "NaN");
        Assert.Equal("base_model.model.q.lora_A.weight", refusal.Tensor);
        Assert.StartsWith(temp["b"], refusal.File);
    }

    [Fact]
    public void A_value_trained_in_full_that_is_not_finite()
    {
        using TempFolder temp = new();
        Saved(temp["a"], 1, [1, double.NaN, 3]);
        Refused<NonFiniteException>(temp, Stacking.Options("out", "cat", new AdapterInput(temp["a"])), "NaN");
        using SimdCompute compute = new();
        using ResizePlan resize = ResizePlan.Create(Resizing.Options(temp["a"], temp["out"], new RankPolicy.Fixed(1)), compute);
        Assert.Throws<NonFiniteException>(() => resize.Run(compute));
        Assert.False(Path.Exists(temp["out"]));
    }

    [Fact]
    public void Values_trained_in_full_are_taken_where_there_is_no_choice()
    {
        using TempFolder temp = new();
        Saved(temp["a"], 1, [1, 2, 3]);
        Saved(temp["same"], 2, [1, 2, 3]);
        Saved(temp["other"], 3, [1, 2, 4]);
        Stacking.Adapter(temp["plain"], 4, 3, 3, DType.F32, ("q", 4, 5));
        Refused<InvalidAdapterException>(temp, Stacking.Options("out", "cat", new(temp["a"]), new(temp["other"])), "trained in full, and differently");
        Refused<InvalidOptionException>(temp, Stacking.Options("out", "cat", new(temp["plain"]), new(temp["a"], 0.5)), "give the adapter the weight 1");
        foreach (string second in (string[])["same", "plain"])
        {
            Stacking.Run(Stacking.Options(temp["out", second], "cat", new(temp["a"]), new(temp[second])));
            using Formats.Adapters.Adapter result = Formats.Layouts.AdapterLayouts.Open(temp["out", second]);
            Assert.Equal([1, 2, 3], Assert.Single(result.Replacements).Values.ToDoubles());
        }
    }

    [Fact]
    public void An_output_that_exists_or_is_an_input()
    {
        using TempFolder temp = new();
        Stacking.Adapter(temp["a"], 1, 2, 2, DType.F32, ("q", 4, 5));
        StackOptions options = Stacking.Options(temp["a"], "cat", new AdapterInput(temp["a"]));
        Assert.Throws<OutputException>(() => StackPlan.Create(options));
        Assert.Throws<OutputException>(() => StackPlan.Create(options with { Output = options.Output with { Overwrite = true } }));
    }

    private static T Refused<T>(TempFolder temp, StackOptions options, string message)
        where T : LoraKitException
    {
        string output = temp["out", "adapter"];
        T refusal = Assert.Throws<T>(() => Stacking.Run(options with { Output = options.Output with { Path = output } }));
        Assert.Contains(message, refusal.Message);
        Assert.DoesNotContain('\n', refusal.Message);
        Assert.False(Path.Exists(output));
        return refusal;
    }

    private static void Saved(string folder, int seed, double[] values)
    {
        PeftFolder adapter = new(folder, 2, 4);
        adapter.Linear("q", 4, 5, new Random(seed));
        adapter.Add("base_model.model.norm.weight", DType.F32, [3], values);
        adapter.Config["modules_to_save"] = new System.Text.Json.Nodes.JsonArray("norm");
        adapter.Save();
    }
}
