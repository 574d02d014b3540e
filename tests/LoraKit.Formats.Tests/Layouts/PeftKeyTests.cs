using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>Every spelling of the factors' keys, and what they become.</summary>
public sealed class PeftKeyTests
{
    [Theory]
    [InlineData("base_model.model.model.layers.0.q_proj.lora_A.weight", "base_model.model.model.layers.0.q_proj.lora_B.weight")]
    [InlineData("base_model.model.model.layers.0.q_proj.lora_A.default.weight", "base_model.model.model.layers.0.q_proj.lora_B.default.weight")]
    [InlineData("base_model.model.model.layers.0.q_proj.lora_A.default.weight", "base_model.model.model.layers.0.q_proj.lora_B.weight")]
    [InlineData("base_model.model.model.layers.0.q_proj.lora_A.my-lora.weight", "base_model.model.model.layers.0.q_proj.lora_B.my-lora.weight")]
    [InlineData("model.layers.0.q_proj.lora_A.weight", "model.layers.0.q_proj.lora_B.weight")]
    [InlineData("_orig_mod.base_model.model.model.layers.0.q_proj.lora_A.weight", "base_model.model._orig_mod.model.layers.0.q_proj.lora_B.weight")]
    [InlineData(
        "base_model.model.model.layers.0._fsdp_wrapped_module.q_proj.lora_A.weight",
        "_fsdp_wrapped_module.base_model.model.model.layers.0.q_proj._fsdp_wrapped_module.lora_B.weight")]
    public void Every_spelling_is_one_update_of_the_module(string a, string b)
    {
        using Adapter adapter = new PeftSample("""{ "r": 4, "lora_alpha": 6 }""").Tensor(a, 4, 24).Tensor(b, 12, 4).Read();
        LowRankDelta delta = Assert.IsType<LowRankDelta>(Assert.Single(adapter.Deltas));
        Assert.Equal("model.layers.0.q_proj.weight", delta.Target.Path);
        Assert.Equal(("lora", 4L, 12L, 24L, 1.5, 6.0), (delta.Kind, delta.Rank, delta.OutFeatures, delta.InFeatures, delta.Scale, delta.Alpha));
        Assert.Equal(WeightOrientation.FromShape, delta.Orientation);
        Assert.Equal([a, b], delta.Tensors.Select(tensor => tensor.Name));
        Assert.Empty(adapter.Replacements);
        Assert.Equal(!a.Contains("base_model"), adapter.Issues.Any(issue => issue.Code == "prefix_missing"));
    }

    [Theory]
    [InlineData("m.q.base_layer", "m.q", 1)]
    [InlineData("m.q.base_layer.base_layer", "m.q", 1)]
    [InlineData("m.q.base_layer.k", "m.q.k", 0)]
    public void Adapters_inside_each_other_update_the_same_module(string key, string module, int nested)
    {
        using Adapter adapter = new PeftSample("""{ "r": 4 }""").Lora("m.q", 4).Lora(key, 4).Read();
        Assert.Equal(["m.q.weight", $"{module}.weight"], adapter.Deltas.Select(delta => delta.Target.Path));
        Assert.Equal(nested, adapter.Issues.Count(issue => issue.Code == "nested_factors"));
    }

    [Fact]
    public void Parameters_have_their_own_ranks_and_wrap_each_other_from_the_last()
    {
        using Adapter adapter = new PeftSample("""
            { "r": 4, "lora_alpha": 8, "target_modules": ["q"], "target_parameters": ["experts.down_proj", "mlp.experts.gate_up_proj", "mlp.gate.weight"],
              "rank_pattern": { "experts.gate_up_proj": 2 }, "alpha_pattern": { "experts.gate_up_proj": 3 } }
            """).Lora("mlp.experts", 12).Lora("mlp.experts.base_layer", 6).Lora("mlp.gate", 4).Lora("x.q", 4).Read();
        Assert.Equal(["mlp.experts.down_proj", "mlp.experts.gate_up_proj", "mlp.gate.weight", "x.q.weight"], adapter.Deltas.Select(delta => delta.Target.Path));
        Assert.Equal([new DeltaFacts(4, 8, 2), new(2, 3, 1.5), new(4, 8, 2), new(4, 8, 2)], adapter.Deltas.Select(delta => delta.Facts));
        Assert.Equal([3L, 3], adapter.Deltas.OfType<ExpertsDelta>().Select(delta => delta.Experts));
        Assert.DoesNotContain(adapter.Issues, issue => issue.Severity == IssueSeverity.Warning);
    }

    [Fact]
    public void Layers_that_occur_several_times_are_read()
    {
        using Adapter adapter = new PeftSample("""{ "layer_replication": [[0, 4], [2, 5]] }""").Lora("layers.6.q").Read();
        Assert.Equal([(0L, 4L), (2, 5)], adapter.LayerReplication);
    }

    [Theory]
    [InlineData("lora_embedding_A", "lora_embedding_B")]
    [InlineData("lora_embedding_A.default", "lora_embedding_B.default")]
    [InlineData("lora_embedding_A.mine", "lora_embedding_B.mine")]
    public void An_embedding_has_its_factors_transposed(string a, string b)
    {
        using Adapter adapter = new PeftSample("""{ "r": 2, "lora_alpha": 4, "fan_in_fan_out": true }""")
            .Values($"base_model.model.model.embed_tokens.{a}", new TensorShape(2, 3), 1, 2, 3, 4, 5, 6)
            .Values($"base_model.model.model.embed_tokens.{b}", new TensorShape(4, 2), 7, 8, 9, 10, 11, 12, 13, 14)
            .Read();
        LowRankDelta delta = Assert.IsType<LowRankDelta>(Assert.Single(adapter.Deltas));
        Assert.Equal(("model.embed_tokens.weight", WeightOrientation.OutIn, 2.0), (delta.Target.Path, delta.Orientation, delta.Scale));
        Assert.Equal((new TensorShape(3, 2), new TensorShape(2, 4)), (delta.Up.Shape, delta.Down.Shape));
        Assert.Equal([1f, 4, 2, 5, 3, 6], delta.Up.ToSingles());
        Assert.Equal([7f, 9, 11, 13, 8, 10, 12, 14], delta.Down.ToSingles());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void A_convolution_keeps_its_kernel(int dimensions)
    {
        long[] ones = [.. Enumerable.Repeat(1L, dimensions)];
        long[] kernel = [.. Enumerable.Repeat(3L, dimensions)];
        using Adapter adapter = new PeftSample("""{ "r": 4, "fan_in_fan_out": true }""")
            .Tensor("base_model.model.conv.lora_A.weight", [4, 5, .. kernel]).Tensor("base_model.model.conv.lora_B.weight", [7, 4, .. ones]).Read();
        LowRankDelta delta = Assert.IsType<LowRankDelta>(Assert.Single(adapter.Deltas));
        Assert.Equal(WeightOrientation.OutIn, delta.Orientation);
        Assert.Equal((4, 7, 5 * (long)Math.Pow(3, dimensions)), (delta.Rank, delta.OutFeatures, delta.InFeatures));
    }

    [Theory]
    [InlineData("{}", 8, 1.0)] // the dataclass's defaults
    [InlineData("""{ "r": 4, "lora_alpha": 8 }""", 4, 2.0)]
    [InlineData("""{ "r": 5, "lora_alpha": 2.5 }""", 5, 0.5)]
    [InlineData("""{ "r": 4, "lora_alpha": 8, "use_rslora": true }""", 4, 4.0)]
    [InlineData("""{ "r": 8, "lora_alpha": 4, "use_rslora": true, "rank_pattern": { "q": 16 }, "alpha_pattern": { "q": 2 } }""", 16, 0.5)]
    [InlineData("""{ "r": 4, "lora_alpha": -8 }""", 4, -2.0)]
    [InlineData("""{ "r": 4, "lora_alpha": 0 }""", 4, 0.0)]
    [InlineData("""{ "r": 4, "rank_pattern": null, "bias": null, "use_rslora": null, "modules_to_save": null, "lora_alpha": 4 }""", 4, 1.0)]
    public void The_scale_comes_from_the_configuration(string config, long rank, double scale)
    {
        using Adapter adapter = new PeftSample(config).Lora("m.q", rank).Read();
        Assert.Equal((rank, scale), (((LowRankDelta)adapter.Deltas[0]).Rank, ((LowRankDelta)adapter.Deltas[0]).Scale));
    }

    [Fact]
    public void The_flag_of_square_matrices_is_passed_on()
    {
        using Adapter adapter = new PeftSample("""{ "fan_in_fan_out": true }""").Lora("h.0.c_proj", 8, 6, 6).Read();
        Assert.True(((LowRankDelta)adapter.Deltas[0]).SquareIsInOut);
    }

    [Fact]
    public void A_trained_bias_is_scaled_like_its_factors()
    {
        using Adapter adapter = new PeftSample("""{ "r": 4, "lora_alpha": 6, "lora_bias": true }""")
            .Lora("m.q", 4).Tensor("base_model.model.m.q.lora_B.bias", 5).Read();
        DenseDelta bias = Assert.IsType<DenseDelta>(adapter.Deltas[1]);
        Assert.Equal(("m.q.bias", 1.5), (bias.Target.Path, bias.Scale));
        Assert.DoesNotContain(adapter.Issues, issue => issue.Code == "missing_tensor");
    }

    [Fact]
    public void Factors_may_be_stored_in_eight_bits_or_two_types()
    {
        using Adapter adapter = new PeftSample().Tensor("base_model.model.q.lora_A.weight", DType.F8E4M3, 8, 4)
            .Tensor("base_model.model.q.lora_B.weight", DType.BF16, 4, 8).Read();
        Assert.Equal([DType.F8E4M3, DType.BF16], adapter.Deltas[0].Tensors.Select(tensor => tensor.DType));
    }

    [Theory]
    [InlineData(DType.I32)]
    [InlineData(DType.U8)]
    [InlineData(DType.F4)]
    [InlineData(DType.Bool)]
    public void A_factor_without_real_values_is_refused(DType dtype)
    {
        foreach (string kind in (string[])["lora_{0}.weight", "lora_embedding_{0}"])
        {
            InvalidAdapterException error = new PeftSample().Tensor("base_model.model.q." + string.Format(kind, "A"), dtype, 8, 4)
                .Tensor("base_model.model.q." + string.Format(kind, "B"), 4, 8).Fails<InvalidAdapterException>();
            Assert.Contains(dtype.FileName(), error.Message);
            Assert.Contains("'q'", error.Message);
        }
    }

    [Theory]
    [InlineData("""{ "r": 4 }""", "rank 6", "4", "'r'")]
    [InlineData("""{ "r": 4, "rank_pattern": { "q": 5 } }""", "rank 6", "5", "rank_pattern 'q'")]
    [InlineData("{}", "rank 6", "8", "the default of 'r'")]
    public void Another_rank_than_the_configuration_says_is_an_error_with_both(string config, params string[] parts)
    {
        InvalidAdapterException error = new PeftSample(config).Lora("layers.3.q", 6).Fails<InvalidAdapterException>();
        Assert.All([.. parts, "layers.3.q"], part => Assert.Contains(part, error.Message));
    }

    [Theory]
    [InlineData(new long[] { 8, 6 }, new long[] { 5, 7 })]
    [InlineData(new long[] { 8 }, new long[] { 5, 8 })]
    [InlineData(new long[] { 8, 6 }, new long[] { 5 })]
    [InlineData(new long[] { 8, 0 }, new long[] { 5, 8 })]
    [InlineData(new long[] { 8, 6 }, new long[] { 0, 8 })]
    [InlineData(new long[] { 8, 6, 3 }, new long[] { 5, 8, 2 })]
    [InlineData(new long[] { }, new long[] { 5, 8 })]
    [InlineData(new long[] { 8, 6 }, new long[] { 0, 8, 1L << 62, 1L << 62 })]
    public void Factors_that_do_not_chain_are_an_error(long[] a, long[] b)
    {
        InvalidAdapterException error = new PeftSample().Tensor("base_model.model.q.lora_A.weight", a)
            .Tensor("base_model.model.q.lora_B.weight", b).Fails<InvalidAdapterException>();
        Assert.Contains("'q'", error.Message);
    }

    [Theory]
    [InlineData(new long[] { 8, 10 }, new long[] { 5, 7 })]
    [InlineData(new long[] { 8, 10, 1 }, new long[] { 5, 8 })]
    [InlineData(new long[] { 8, 10 }, new long[] { 5, 8, 1 })]
    public void Factors_of_an_embedding_that_do_not_chain_are_an_error(long[] a, long[] b)
    {
        InvalidAdapterException error = new PeftSample().Tensor("base_model.model.e.lora_embedding_A", a)
            .Tensor("base_model.model.e.lora_embedding_B", b).Fails<InvalidAdapterException>();
        Assert.Contains("[r, vocab]", error.Message);
    }

    [Fact]
    public void The_order_of_the_keys_does_not_matter()
    {
        PeftSample sample = new PeftSample("""
            { "r": 4, "lora_bias": true, "bias": "all", "modules_to_save": ["score"], "rank_pattern": { "k": 3 }, "trainable_token_indices": [5, 2] }
            """)
            .Lora("l.0.q", 4).Tensor("base_model.model.l.0.q.lora_B.bias", 5).Lora("l.0.k", 3).Tensor("base_model.model.l.0.k.lora_B.bias", 5)
            .Tensor("base_model.model.e.lora_embedding_A", 4, 30).Tensor("base_model.model.e.lora_embedding_B", 6, 4)
            .Tensor("base_model.model.e.token_adapter.trainable_tokens_delta", 2, 6)
            .Tensor("base_model.model.score.0.weight", 3, 3).Tensor("base_model.model.score.original_module.0.weight", 3, 3)
            .Tensor("base_model.model.l.0.q.base_layer.bias", 5).Tensor("base_model.model.norm.bias", 5)
            .Tensor("base_model.model.e.base_layer.weight", 30, 6);
        string expected = Content(sample);
        Assert.Contains("score.0.weight", expected);
        for (int seed = 0; seed < 50; seed++) Assert.Equal(expected, Content(sample.Shuffled(seed)));

        static string Content(PeftSample sample)
        {
            using Adapter adapter = sample.Read();
            return string.Join('\n',
            [
                .. adapter.Deltas.Select(Describe).Order(StringComparer.Ordinal),
                .. adapter.Replacements.Select(r => $"{r.Target} {r.Values.Name} {string.Join(',', r.Rows ?? [])} {r.Reason}").Order(StringComparer.Ordinal),
                .. adapter.Issues.Select(i => $"{i.Code} {i.Message}").Order(StringComparer.Ordinal),
            ]);
        }

        static string Describe(AdapterDelta delta) =>
            $"{delta.Kind} {delta.Target} {string.Join(',', delta.Tensors.Select(t => t.Name))} {(delta as LowRankDelta)?.Scale} {(delta as DenseDelta)?.Scale}";
    }

    [Fact]
    public void Unknown_settings_survive_and_the_adapter_owns_its_file()
    {
        PeftSample sample = new PeftSample("""{ "of_the_future": { "b": [1, null], "a": "x" } }""").Lora("q");
        LoraKit.Formats.Layouts.AdapterSource source = sample.Source();
        Adapter adapter = LoraKit.Formats.Layouts.AdapterLayouts.All[0].Read(source);
        Assert.Same(source.Config, adapter.Config);
        Assert.Equal("""{"b":[1,null],"a":"x"}""", adapter.Config!.Json["of_the_future"]!.ToJsonString());
        Assert.Equal(("peft", "adapter", "pt"), (adapter.Layout, adapter.Path, adapter.Metadata["format"]));
        Assert.False(((MemorySource)source.Tensors).IsDisposed);
        adapter.Dispose();
        Assert.True(((MemorySource)source.Tensors).IsDisposed);
        Assert.NotNull(sample.Config["peft_type"] as JsonValue);
    }
}
