using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Tests.Layouts;

public sealed class DiffusersTests
{
    private const string Q = "unet.down_blocks.0.attn1.to_q";
    private const string Text = "text_encoder.text_model.encoder.layers.0.self_attn.q_proj";

    [Theory]
    [InlineData(".lora_A.weight", ".lora_B.weight", "")]
    [InlineData(".lora_A.default.weight", ".lora_B.default.weight", "")]
    [InlineData(".lora_A.weight", ".lora_B.weight", "base_model.model.")]
    public void Without_more_the_scale_is_1(string a, string b, string infix)
    {
        string key = Q.Replace("unet.", "unet." + infix, StringComparison.Ordinal);
        FactorSample sample = new FactorSample().Tensor(key + a, DType.BF16, 5, 53).Tensor(key + b, DType.BF16, 37, 5);
        using Adapter adapter = sample.Read();
        Assert.Equal("diffusers", adapter.Layout);
        Assert.Equal(sample.Product(key + b, key + a, turned: false, 1), FactorSample.Update(adapter, Q));
    }

    [Fact]
    public void The_header_s_configuration_gives_each_component_its_scale()
    {
        FactorSample sample = Two();
        sample.Metadata["lora_adapter_metadata"] = """
            { "unet.r": 8, "unet.lora_alpha": 3, "unet.rank_pattern": { "to_q": 5 }, "unet.alpha_pattern": { "to_q": 7 },
              "text_encoder.r": 4, "text_encoder.lora_alpha": 6, "text_encoder.use_rslora": true }
            """;
        using Adapter adapter = sample.Read();
        Assert.Equal(sample.Product(Q + ".lora_B.weight", Q + ".lora_A.weight", turned: false, 7.0 / 5), FactorSample.Update(adapter, Q), Close);
        Assert.Equal([7.0 / 5, 6.0 / 2], adapter.Deltas.Cast<LowRankDelta>().Select(delta => delta.Scale));
        Assert.Empty(adapter.Issues);
    }

    [Fact]
    public void Patterns_and_components_without_modules_are_issues()
    {
        FactorSample sample = Two();
        sample.Metadata["lora_adapter_metadata"] = """
            { "unet.r": 5, "unet.lora_alpha": 5, "unet.alpha_pattern": { "to_zz": 7 }, "unet.target_modules": ["to_q", "to_k"], "text_encoder_2.r": 5 }
            """;
        using Adapter adapter = sample.Read();
        Assert.Equal(["pattern_matches_nothing alpha", "pattern_matches_nothing text_encoder_2", "target_matches_nothing"],
            adapter.Issues.Select(issue => issue.Code == "target_matches_nothing" ? issue.Code : $"{issue.Code} {issue.Where!.Replace("unet.alpha_pattern", "alpha")}").Order(StringComparer.Ordinal));
    }

    [Fact]
    public void An_alpha_tensor_counts_where_there_is_no_configuration()
    {
        FactorSample sample = Two().Values(Q + ".alpha", DType.F32, [], 7.5);
        using Adapter adapter = sample.Read();
        Assert.Equal([1.5, 1], adapter.Deltas.Cast<LowRankDelta>().Select(delta => delta.Scale));
        sample.Metadata["lora_adapter_metadata"] = """{ "unet.r": 5, "unet.lora_alpha": 5 }""";
        sample.Fails<InvalidAdapterException>("expected one of them");
    }

    [Theory]
    [InlineData("""{ "unet.r": 4 }""", "says 4 (from 'r')")]
    [InlineData("""[1]""", "no JSON object")]
    [InlineData("""{ "unet.r": "5" }""", "whole number")]
    [InlineData("""{ "unet.r": 5, "unet.r": 6 }""", "twice")]
    public void A_wrong_configuration_is_an_error(string metadata, string expected)
    {
        FactorSample sample = Two();
        sample.Metadata["lora_adapter_metadata"] = metadata;
        sample.Fails<InvalidAdapterException>(expected);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("""{ "unet.r": 5, "unet.lora_alpha": 5, "unet.use_dora": true }""")]
    public void Magnitudes_are_doras(string? metadata)
    {
        FactorSample sample = Two().Tensor(Q + ".lora_magnitude_vector", DType.F32, 37);
        if (metadata is not null) sample.Metadata["lora_adapter_metadata"] = metadata;
        using Adapter adapter = sample.Read();
        MagnitudeDelta dora = Assert.IsType<MagnitudeDelta>(adapter.Deltas[0]);
        Assert.Equal(MagnitudeAxis.Output, dora.Axis);
        Assert.Equal(sample[Q + ".lora_magnitude_vector"], dora.Magnitude!.ToDoubles());
        Assert.Equal(sample.Product(Q + ".lora_B.weight", Q + ".lora_A.weight", turned: false, 1), FactorSample.Update(adapter, Q));
        Assert.IsType<LowRankDelta>(adapter.Deltas[1]);
        using SavedAdapter saved = new(adapter);
        MagnitudeDelta back = saved.Adapter.Deltas.OfType<MagnitudeDelta>().Single();
        Assert.Equal((dora.Target, dora.Facts, dora.Axis), (back.Target, back.Facts, back.Axis));
        Assert.Equal((dora.Magnitude.Shape, dora.Magnitude.DType), (back.Magnitude!.Shape, back.Magnitude.DType));
        Assert.Equal(dora.Magnitude.ToDoubles(), back.Magnitude.ToDoubles());
        Assert.Equal(FactorSample.Update(adapter, Q), FactorSample.Update(saved.Adapter, Q));
        JsonNode said = JsonNode.Parse(saved.Adapter.Metadata["lora_adapter_metadata"])!;
        Assert.True((bool)said["unet.use_dora"]!);
        Assert.NotEqual(true, (bool?)said["text_encoder.use_dora"]);
    }

    [Fact]
    public void Magnitudes_of_some_modules_of_a_component_or_for_inputs_are_refused()
    {
        using Adapter adapter = Two().Tensor(Q + ".lora_magnitude_vector", DType.F32, 37).Read();
        MagnitudeDelta dora = (MagnitudeDelta)adapter.Deltas[0];
        string Limits(params AdapterDelta[] updates) => string.Join("; ", AdapterLayouts.Named("diffusers").Limits(new("x", "diffusers", null) { Deltas = updates }));
        Assert.Contains("some modules of unet. have the magnitudes", Limits(dora, dora.Inner.Renamed(new(new("unet.other"), "weight"))));
        MemoryTensor inputs = new("m", new TensorShape(1, 53), new float[53]);
        Assert.Contains("for every input", Limits(new MagnitudeDelta(dora.Inner, inputs, MagnitudeAxis.FromShape)));
    }

    [Fact]
    public void What_is_not_read_is_refused_by_name_and_what_is_left_is_listed()
    {
        FactorSample dora = Two();
        dora.Metadata["lora_adapter_metadata"] = """{ "unet.r": 5, "unet.use_dora": true }""";
        dora.Fails<InvalidAdapterException>("has no lora_magnitude_vector");
        FactorSample plain = Two().Tensor(Q + ".lora_magnitude_vector", DType.F32, 37);
        plain.Metadata["lora_adapter_metadata"] = """{ "unet.r": 5 }""";
        plain.Fails<InvalidAdapterException>("'use_dora' is not set");
        foreach (string variant in (string[])["\"use_bdlora\": {\"nblocks\": 2}", "\"kasa_config\": {}", "\"init_lora_weights\": \"pissa\"", "\"target_parameters\": [\"x\"]", "\"layer_replication\": [[0, 1]]"])
        {
            FactorSample of = Two();
            of.Metadata["lora_adapter_metadata"] = "{ \"unet.r\":5, \"unet." + variant[1..] + " }";
            of.Fails<UnsupportedException>(variant.Split('"')[1]);
        }

        FactorSample other = Two();
        other.Metadata["lora_adapter_metadata"] = """{ "unet.r": 5, "unet.peft_type": "LOHA" }""";
        other.Fails<UnsupportedException>("LOHA");
        Two().Tensor("x_embedder.lora_A.weight", DType.F32, 4, 4).Fails<InvalidAdapterException>("'x_embedder.lora_A.weight'");
        Two().Tensor("unet.conv_in.lora_B.weight", DType.F32, 4, 4).Fails<InvalidAdapterException>("without its A");
        Two().Tensor(Q + ".lora_A.default.weight", DType.F32, 5, 53).Fails<InvalidAdapterException>("same tensor of module");
    }

    [Fact]
    public void What_is_written_reads_back_the_same()
    {
        using Adapter plain = Two(rank: 5).Read();
        using SavedAdapter saved = new(plain);
        SavedAdapter.AssertSame(plain, saved.Adapter);
        Assert.DoesNotContain("lora_adapter_metadata", saved.Adapter.Metadata.Keys);
        Assert.Contains(Q + ".lora_A.weight", saved.Tensors().Select(tensor => tensor.Name));
    }

    /// <summary>Without it, diffusers took the first rank for all of them.</summary>
    [Fact]
    public void Ranks_that_differ_are_in_the_header()
    {
        using Adapter plain = Two().Read();
        using SavedAdapter saved = new(plain);
        SavedAdapter.AssertSame(plain, saved.Adapter);
        Assert.Contains("\"unet.r\":5", saved.Adapter.Metadata["lora_adapter_metadata"]);
        Assert.Contains("\"text_encoder.r\":4", saved.Adapter.Metadata["lora_adapter_metadata"]);
    }

    [Fact]
    public void Scales_go_into_the_header()
    {
        using Adapter read = Two().Read();
        LowRankDelta[] both = [.. read.Deltas.Cast<LowRankDelta>()];
        using Adapter scaled = new("x", "diffusers", null) { Deltas = [both[0].With(both[0].Down, both[0].Up, -0.3, 0), both[1]] };
        using SavedAdapter saved = new(scaled);
        SavedAdapter.AssertSame(scaled, saved.Adapter);
        Assert.Contains("lora_adapter_metadata", saved.Adapter.Metadata.Keys);
        using SavedAdapter again = new(new Adapter("x", "diffusers", null) { Deltas = saved.Adapter.Deltas, Metadata = saved.Adapter.Metadata });
        Assert.Equal(File.ReadAllBytes(saved.Path), File.ReadAllBytes(again.Path));
    }

    [Fact]
    public void A_module_of_no_component_and_an_embedding_are_beyond_it()
    {
        using Adapter peft = new PeftSample().Lora("q").Read();
        using Adapter adapter = new("x", "diffusers", null) { Deltas = peft.Deltas };
        Assert.Contains("begins with no component", Assert.Throws<UnsupportedException>(() => AdapterLayouts.Named("diffusers").Write(adapter)).Message);
    }

    private static FactorSample Two(int rank = 4) => new FactorSample()
        .Tensor(Q + ".lora_A.weight", DType.F32, 5, 53).Tensor(Q + ".lora_B.weight", DType.F32, 37, 5)
        .Tensor(Text + ".lora_A.weight", DType.F16, rank, 11).Tensor(Text + ".lora_B.weight", DType.F16, 13, rank);

    private static bool Close(double one, double other) => Math.Abs(one - other) <= 1e-12 * (1 + Math.Abs(one));
}
