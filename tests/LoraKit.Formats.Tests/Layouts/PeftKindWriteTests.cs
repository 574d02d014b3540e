using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>LoHa, LoKr and DoRA as PEFT has them: what it wrote comes back, what LyCORIS wrote gets settings of which PEFT makes the same factors, the rest is named.</summary>
public sealed class PeftKindWriteTests
{
    [Theory]
    [InlineData("loha")]
    [InlineData("loha-conv")]
    [InlineData("lokr")]
    [InlineData("lokr-both")]
    [InlineData("lokr-conv")]
    [InlineData("lora-conv-dora")]
    [InlineData("lora-dora-bf16")]
    [InlineData("lora-dora-embedding")]
    [InlineData("lora-dora-linear")]
    [InlineData("lora-gpt2-dora")]
    public void What_PEFT_wrote_comes_back_with_every_tensor_and_its_configuration(string name) => PeftWriteTests.AssertComesBack(Paths.Fixture("peft-kinds", name, "adapter"));

    [Fact]
    public void LoHa_of_unlike_scales_and_ranks_gets_patterns()
    {
        using SavedAdapter saved = new(Of(Loha("a", 4, 0.3), Loha("b", 2, 0.3), Loha("c", 4, -7)));
        JsonObject config = saved.Adapter.Config!.Json;
        Assert.Equal(("LOHA", 4), ((string)config["peft_type"]!, (int)config["r"]!));
        Assert.False(config.ContainsKey("lora_alpha"));
        Assert.Equal([0.3, 0.3, -7.0], saved.Adapter.Deltas.Select(update => update.Facts.Scale!.Value));
        Assert.Equal([4L, 2, 4], saved.Adapter.Deltas.Select(update => update.Facts.Rank!.Value));
        Assert.Equal(["a", "b", "c"], config["target_modules"]!.AsArray().Select(name => (string)name!));
        Assert.DoesNotContain(saved.Adapter.Issues, issue => issue.Severity == IssueSeverity.Warning);
    }

    /// <summary>The sizes are PEFT's for decompose_factor 4 and no other: [4, 6] ⊗ [3, 4] of [12, 24], as in the fixture lokr-both.</summary>
    [Fact]
    public void LoKr_gets_a_factor_and_ranks_of_which_PEFT_makes_its_sizes()
    {
        LokrDelta full = new(Target("a"), new(Values(4, 4)), new(Values(3, 6)), -1.5, null), factored = new(Target("b"), new(Values(4, 4)), new(Values(9, 2), Values(2, 6)), 0.7, null);
        using SavedAdapter saved = new(Of(full, factored));
        JsonObject config = saved.Adapter.Config!.Json;
        Assert.Equal(("LOKR", 4, false), ((string)config["peft_type"]!, (int)config["decompose_factor"]!, (bool)config["decompose_both"]!));
        Assert.Equal([-1.5, 0.7], saved.Adapter.Deltas.Select(update => update.Facts.Scale!.Value));
        // In full from max(3, 6) / 2 on.
        JsonObject ranks = config["rank_pattern"]!.AsObject();
        Assert.Equal([2, 3], new[] { (int)config["r"]!, (int)ranks.Single().Value! }.Order());
    }

    [Theory]
    [InlineData(2, 3, 12, 8)]
    [InlineData(1, 4, 12, 6)]
    public void LoKr_of_other_sizes_is_refused(long o1, long i1, long o2, long i2) => Assert.Contains(
        "decompose_factor", Limits(new LokrDelta(Target("a"), new(Values(o1, i1)), new(Values(o2, i2)), 1, null)));

    [Fact]
    public void A_kernel_lies_flat_and_a_core_has_its_flag()
    {
        ParameterName target = Target("a");
        LohaDelta core = new(target, (Values(7, 2), TuckerDown.Of(target, Values(2, 5, 1, 1), Values(2, 2, 3, 3))), (Values(7, 2), TuckerDown.Of(target, Values(2, 5), Values(2, 2, 3, 3))), 0.5, null);
        using SavedAdapter saved = new(Of(core));
        var tensors = SafetensorsBytes.Read(saved.TensorFile);
        Assert.Equal((new TensorShape(2, 7), new TensorShape(2, 5), new TensorShape(2, 2, 3, 3)), (Shape("hada_w1_a"), Shape("hada_w1_b"), Shape("hada_t1")));
        Assert.True((bool)saved.Adapter.Config!.Json["use_effective_conv2d"]!);
        Assert.Equal(core.First.Down.ToDoubles(), ((LohaDelta)saved.Adapter.Deltas[0]).First.Down.ToDoubles());

        TensorShape Shape(string name) => tensors[$"base_model.model.a.{name}"].Shape;
    }

    [Fact]
    public void Magnitudes_of_LyCORIS_are_turned_into_PEFTs_shape()
    {
        LowRankDelta linear = new(Target("a"), Values(2, 5), Values(7, 2), 0.5, 1), conv = new(Target("b"), Values(2, 5, 3, 3), Values(7, 2, 1, 1), 0.5, 1);
        using SavedAdapter saved = new(Of(new MagnitudeDelta(linear, Values(7, 1), MagnitudeAxis.FromShape), new MagnitudeDelta(conv, Values(7, 1, 1, 1), MagnitudeAxis.FromShape)));
        Assert.True((bool)saved.Adapter.Config!.Json["use_dora"]!);
        Assert.Equal([new(7), new(1, 7, 1, 1)], saved.Adapter.Deltas.Select(update => ((MagnitudeDelta)update).Magnitude!.Shape));
    }

    [Fact]
    public void What_one_configuration_cannot_say_of_all_is_named_and_LoRA_is_what_remains()
    {
        LowRankDelta lora = new(Target("a"), Values(2, 5), Values(7, 2), 0.5, 1);
        LowRankDelta other = (LowRankDelta)lora.Renamed(Target("b"));
        MagnitudeDelta dora = new(other, Values(7), MagnitudeAxis.Output);
        Assert.Contains("LOHA and LORA, and peft_type is one for all", Limits(lora, Loha("b", 2, 1)));
        Assert.Contains("use_dora is one flag", Limits(lora, dora));
        Assert.Contains("lora_bias", Limits(dora, new DenseDelta(new(new("b"), "bias"), Values(7), 0.5)));
        Assert.Contains("without magnitudes", Limits(new MagnitudeDelta(other, null, MagnitudeAxis.Output)));
        Assert.Contains("for every input", Limits(new MagnitudeDelta(other, Values(5), MagnitudeAxis.Input)));
        Assert.Contains("unequal ranks", Limits(new LohaDelta(Target("a"), (Values(7, 2), Values(2, 5)), (Values(7, 3), Values(3, 5)), 1, null)));
        Assert.Contains("dense update", Limits(Loha("a", 2, 1), new DenseDelta(new(new("a"), "bias"), Values(9), 1)));
        Predicate<AdapterDelta> holds = AdapterLayouts.Named("peft").HoldsOf(Of(lora, Loha("b", 2, 1)));
        Assert.Equal((true, false), (holds(lora), holds(Loha("b", 2, 1))));
        Assert.True(AdapterLayouts.Named("peft").HoldsOf(Of(Loha("a", 2, 1), Loha("b", 4, 3)))(Loha("b", 4, 3)));
        Assert.False(AdapterLayouts.Named("peft").HoldsOf(Of(lora, dora))(dora));
    }

    private static Adapter Of(params AdapterDelta[] updates) => new("x", "peft", null) { Deltas = updates };

    private static string Limits(params AdapterDelta[] updates) => string.Join("; ", AdapterLayouts.Named("peft").Limits(Of(updates)));

    private static ParameterName Target(string module) => new(new(module), "weight");

    private static LohaDelta Loha(string module, long rank, double scale) => new(Target(module), (Values(9, rank), Values(rank, 11)), (Values(9, rank), Values(rank, 11)), scale, null);

    private static MemoryTensor Values(params long[] sizes)
    {
        TensorShape shape = new(sizes);
        Random random = new((int)shape.ElementCount);
        return new("values", shape, [.. Enumerable.Range(0, (int)shape.ElementCount).Select(_ => (float)random.NextDouble() - 0.5f)]);
    }
}
