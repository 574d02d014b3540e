using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Tests.Layouts;

public sealed class MlxTests
{
    private const string Module = "model.layers.3.self_attn.q_proj";
    private const string Dora = """{ "fine_tune_type": "dora", "lora_parameters": { "rank": 5, "scale": 3.5 } }""";
    private const string Config = """{ "fine_tune_type": "lora", "num_layers": 4, "model": "m", "lora_parameters": { "rank": 5, "scale": 3.5, "dropout": 0.0 } }""";

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.F16)]
    [InlineData(DType.BF16)]
    [InlineData(DType.F64)]
    public void A_linear_layer_is_the_transpose_of_a_times_b(DType dtype)
    {
        FactorSample sample = Linear(Config, dtype);
        using Adapter adapter = sample.Read();
        Assert.Equal("mlx", adapter.Layout);
        Assert.Equal(sample.Product(Module + ".lora_b", Module + ".lora_a", turned: true, 3.5), FactorSample.Update(adapter, Module));
    }

    [Fact]
    public void An_embedding_is_a_times_b()
    {
        FactorSample sample = new FactorSample { Config = Config }.Tensor("model.embed_tokens.lora_a", DType.F32, 53, 5).Tensor("model.embed_tokens.lora_b", DType.F32, 5, 37);
        using Adapter adapter = sample.Read();
        Assert.True(((LowRankDelta)Assert.Single(adapter.Deltas)).IsEmbedding);
        Assert.Equal(sample.Product("model.embed_tokens.lora_a", "model.embed_tokens.lora_b", turned: false, 3.5), FactorSample.Update(adapter, "model.embed_tokens"));
    }

    /// <summary>mlx-lm multiplied by scale·alpha/rank until June 2024, and by scale alone since, whatever it still wrote.</summary>
    [Theory]
    [InlineData("""{ "lora_layers": 4, "lora_parameters": { "rank": 5, "alpha": 16, "scale": 10.0 } }""", 32, "legacy_alpha")]
    [InlineData("""{ "lora_layers": 4, "use_dora": false, "lora_parameters": { "rank": 5, "alpha": 16, "scale": 10.0 } }""", 10, null)]
    [InlineData("""{ "fine_tune_type": "lora", "num_layers": 4, "lora_parameters": { "rank": 5, "alpha": 16, "scale": 10.0 } }""", 10, null)]
    [InlineData("""{ "num_layers": 4, "lora_parameters": { "scale": -2.5 } }""", -2.5, null)]
    public void The_scale_is_that_of_the_time(string config, double scale, string? issue)
    {
        using Adapter adapter = Linear(config).Read();
        Assert.Equal(scale, ((LowRankDelta)adapter.Deltas[0]).Scale);
        Assert.Equal(issue, adapter.Issues.SingleOrDefault()?.Code);
    }

    [Theory]
    [InlineData("""{ "fine_tune_type": "lora", "lora_parameters": { "rank": 4, "scale": 1.0 } }""", "says 4")]
    [InlineData("""{ "fine_tune_type": "lora", "lora_parameters": { "rank": 5 } }""", "'scale' is null")]
    [InlineData("""{ "fine_tune_type": "lora", "lora_parameters": { "rank": 0, "scale": 1.0 } }""", "rank above 0")]
    [InlineData("""{ "fine_tune_type": "lora" }""", "lora_parameters")]
    [InlineData("""{ "lora_parameters": { "scale": 1.0, "alpha": 16 } }""", "rank")]
    [InlineData("""{ "lora_parameters": { "scale": "1", "alpha": 16 } }""", "finite number")]
    public void A_configuration_that_does_not_say_it_is_an_error(string config, string expected) => Linear(config).Fails<InvalidAdapterException>(expected);

    /// <summary>m has a value for each row of the weight: an output, or a word.</summary>
    [Theory]
    [InlineData(Dora)]
    [InlineData("""{ "use_dora": true, "lora_parameters": { "rank": 5, "scale": 3.5 } }""")]
    public void Dora_keeps_its_magnitudes_around_the_update(string config)
    {
        FactorSample sample = Linear(config).Tensor(Module + ".m", DType.F32, 37)
            .Tensor("model.embed_tokens.lora_a", DType.F16, 53, 5).Tensor("model.embed_tokens.lora_b", DType.F16, 5, 37).Tensor("model.embed_tokens.m", DType.F32, 53);
        using Adapter adapter = sample.Read();
        Assert.All(adapter.Deltas.Cast<MagnitudeDelta>(), delta => Assert.Equal((MagnitudeAxis.Output, 0.0, DoraNorm.Updated), (delta.Axis, delta.Epsilon, delta.Norm)));
        Assert.Equal([37, 53], adapter.Deltas.Cast<MagnitudeDelta>().Select(delta => delta.Magnitude!.Shape[0]).Order());
        Assert.Equal(sample[Module + ".m"], adapter.Deltas.Cast<MagnitudeDelta>().First().Magnitude!.ToDoubles());
        Assert.Equal(sample.Product(Module + ".lora_b", Module + ".lora_a", turned: true, 3.5), FactorSample.Update(adapter, Module));
    }

    [Fact]
    public void What_is_not_read_is_refused_by_name()
    {
        Linear("""{ "fine_tune_type": "prefix", "lora_parameters": { "rank": 5, "scale": 1.0 } }""").Fails<UnsupportedException>("prefix");
        Linear(Dora).Fails<InvalidAdapterException>("has no m");
        Linear(Dora).Tensor(Module + ".m", DType.F32, 36).Fails<InvalidAdapterException>("do not fit");
        Linear(Config).Tensor(Module + ".m", DType.F32, 37).Fails<InvalidAdapterException>("is not dora");
        new FactorSample { Config = Config }.Tensor("e.lora_a", DType.F32, 4, 5, 8).Tensor("e.lora_b", DType.F32, 4, 7, 6).Fails<InvalidAdapterException>("no factors of experts");
        Linear(null).Fails<InvalidAdapterException>("scale cannot be known");
    }

    [Fact]
    public void A_half_and_a_stranger_are_listed()
    {
        FactorSample sample = Linear(Config).Tensor("x.lora_a", DType.F32, 3, 5).Tensor("model.norm.weight", DType.F32, 3);
        string message = sample.Fails<InvalidAdapterException>("2 of 4 tensors").Message;
        Assert.Contains("'x.lora_a' [3, 5] (without its B)", message);
        Assert.Contains("'model.norm.weight'", message);
    }

    [Fact]
    public void A_full_fine_tune_replaces()
    {
        using Adapter adapter = new FactorSample { Config = """{ "fine_tune_type": "full" }""" }.Tensor("model.norm.weight", DType.F32, 3).Read();
        Assert.Empty(adapter.Deltas);
        Assert.Equal(("model.norm.weight", "full"), (Assert.Single(adapter.Replacements).Target.Path, adapter.Replacements[0].Reason));
    }

    [Fact]
    public void What_is_written_reads_back_the_same()
    {
        using Adapter adapter = Linear("""{ "lora_layers": 4, "seed": 7, "lora_parameters": { "rank": 5, "alpha": 16, "scale": 0.3, "keys": ["self_attn.q_proj"] } }""")
            .Tensor("model.embed_tokens.lora_a", DType.F16, 53, 5).Tensor("model.embed_tokens.lora_b", DType.F16, 5, 37).Read();
        using SavedAdapter saved = new(adapter);
        SavedAdapter.AssertSame(adapter, saved.Adapter);
        Assert.Empty(saved.Adapter.Issues);
        Assert.Contains("\"seed\": 7", saved.Config);
        Assert.Contains("\"num_layers\": 4", saved.Config);
        Assert.DoesNotContain("\"alpha\"", saved.Config);
        Assert.Equal(new TensorShape(53, 5), saved.Tensors().Single(tensor => tensor.Name == Module + ".lora_a").Shape);
    }

    [Fact]
    public void An_adapter_of_another_layout_gets_a_configuration_of_mlx()
    {
        using Adapter peft = new PeftSample("""{ "r": 4, "lora_alpha": 6 }""").Valued("base_model.model.model.layers.0.mlp.up_proj.lora_A.weight", DType.F32, 4, 53)
            .Valued("base_model.model.model.layers.0.mlp.up_proj.lora_B.weight", DType.F32, 37, 4).Read();
        using Adapter adapter = new("x", "mlx", null) { Deltas = peft.Deltas, Config = peft.Config };
        using SavedAdapter saved = new(adapter);
        SavedAdapter.AssertSame(adapter, saved.Adapter);
        Assert.Contains("\"mlp.up_proj\"", saved.Config);
        Assert.Contains("\"model\": \"base\"", saved.Config);
    }

    [Fact]
    public void One_scale_and_one_rank_for_all()
    {
        using Adapter adapter = Linear(Config).Tensor("b.lora_a", DType.F32, 3, 5).Tensor("b.lora_b", DType.F32, 5, 4).Read();
        LowRankDelta[] both = [.. adapter.Deltas.Cast<LowRankDelta>()];
        Assert.Empty(AdapterLayouts.Named("mlx").Limits(adapter));
        Adapter differing = new("x", "mlx", null) { Deltas = [both[0], both[1].With(both[1].Down, both[1].Up, 2, 2)] };
        Assert.Contains("differ in scale", Assert.Throws<UnsupportedException>(() => AdapterLayouts.Named("mlx").Write(differing)).Message);
    }

    private static FactorSample Linear(string? config, DType dtype = DType.F32) =>
        new FactorSample { Config = config }.Tensor(Module + ".lora_a", dtype, 53, 5).Tensor(Module + ".lora_b", dtype, 5, 37);
}
