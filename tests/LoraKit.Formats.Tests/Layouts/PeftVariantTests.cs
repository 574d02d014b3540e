using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>LoRA's variants in PEFT's files: what is read, what is refused and why.</summary>
public sealed class PeftVariantTests
{
    private const string Dora = """{ "use_dora": true, "r": 8 }""";

    [Theory]
    [InlineData("lora_magnitude_vector")]
    [InlineData("lora_magnitude_vector.weight")]
    [InlineData("lora_magnitude_vector.default")]
    [InlineData("lora_magnitude_vector.default.weight")]
    public void Magnitudes_are_read_in_every_spelling(string key)
    {
        using Adapter adapter = new PeftSample(Dora).Lora("m.q").Tensor($"base_model.model.m.q.{key}", 5).Read();
        MagnitudeDelta delta = Assert.IsType<MagnitudeDelta>(Assert.Single(adapter.Deltas));
        Assert.Equal((MagnitudeAxis.Output, true, "lora"), (delta.Axis, delta.Facts.Dora, delta.Kind));
        Assert.Equal(WeightOrientation.FromShape, delta.Orientation);
        Assert.Equal(new TensorShape(5), delta.Magnitude!.Shape);
        Assert.DoesNotContain(adapter.Issues, issue => issue.Severity == IssueSeverity.Warning);
    }

    [Fact]
    public void Of_an_embedding_they_belong_to_columns()
    {
        using Adapter adapter = new PeftSample(Dora).Tensor("base_model.model.e.lora_embedding_A", 8, 11).Tensor("base_model.model.e.lora_embedding_B", 4, 8)
            .Tensor("base_model.model.e.lora_magnitude_vector", 4).Read();
        MagnitudeDelta delta = Assert.IsType<MagnitudeDelta>(Assert.Single(adapter.Deltas));
        Assert.Equal((MagnitudeAxis.Input, new TensorShape(11, 4)), (delta.Axis, delta.Shape!.Value));
    }

    [Fact]
    public void A_module_without_them_has_the_bases_norms()
    {
        using Adapter adapter = new PeftSample(Dora).Lora("m.q").Lora("m.k").Tensor("base_model.model.m.q.lora_magnitude_vector", 5).Read();
        Assert.Equal([false, true], adapter.Deltas.Select(delta => ((MagnitudeDelta)delta).Magnitude is null));
        AdapterIssue issue = Assert.Single(adapter.Issues, issue => issue.Code == "missing_tensor");
        Assert.Contains("'m.k'", issue.Message);
    }

    [Theory]
    [InlineData("{}", "m.q.lora_magnitude_vector", "'use_dora' is not set")]
    [InlineData("{}", "m.q.lora_diag", "'kasa_config' is not set")]
    [InlineData(Dora, "m.k.lora_magnitude_vector", "without the factors it belongs to")]
    public void What_has_no_place_is_left(string config, string key, string why)
    {
        InvalidAdapterException error = new PeftSample(config).Lora("m.q").Tensor($"base_model.model.{key}", 5).Fails<InvalidAdapterException>();
        Assert.Contains(why, error.Message);
    }

    [Theory]
    [InlineData("""{ "use_dora": true, "use_bdlora": {"nblocks": 2} }""", "'use_dora' and 'use_bdlora' are both set")]
    [InlineData("""{ "use_dora": true, "kasa_config": {} }""", "'use_dora' and 'kasa_config' are both set")]
    [InlineData("""{ "init_lora_weights": "pissa", "kasa_config": {} }""", "both take a part out of the base")]
    [InlineData("""{ "kasa_config": {} }""", "'m.q' has no lora_diag")]
    [InlineData("""{ "use_bdlora": true }""", "expected an object")]
    [InlineData("""{ "use_bdlora": {"nblocks": 0} }""", "'nblocks' is 0")]
    [InlineData("""{ "use_bdlora": {"nblocks": 2} }""", "is named by neither")]
    [InlineData("""{ "use_bdlora": {"nblocks": 2, "target_modules_bd_a": ["q"], "target_modules_bd_b": ["m"]} }""", "is named by both")]
    [InlineData("""{ "use_bdlora": {"nblocks": 3, "target_modules_bd_a": ["q"]} }""", "no 3 equal blocks")]
    [InlineData("""{ "use_bdlora": {"nblocks": 2, "target_modules_bd_b": ["q"]} }""", "no 2 equal blocks")]
    [InlineData("""{ "use_bdlora": {"nblocks": 4611686018427387904, "target_modules_bd_a": ["q"]} }""", "equal blocks")]
    [InlineData("""{ "init_lora_weights": "pissa" }""", "rank 8 is more than the weight [5, 6] has for pissa; expected at most 5")]
    [InlineData("""{ "init_lora_weights": "OLoRA" }""", "rank 8 is more than the weight [5, 6] has for olora")]
    public void Contradictions_are_refused(string config, string why) =>
        Assert.Contains(why, new PeftSample(config).Lora("m.q").Fails<InvalidAdapterException>().Message);

    [Theory]
    [InlineData("kasa_config", "{}")]
    [InlineData("init_lora_weights", "\"pissa\"")]
    public void No_part_of_a_convolution_is_taken_out(string setting, string value)
    {
        InvalidAdapterException error = new PeftSample($$"""{ "{{setting}}": {{value}}, "r": 2 }""").Tensor("base_model.model.c.lora_A.weight", 2, 6, 3, 3)
            .Tensor("base_model.model.c.lora_B.weight", 5, 2, 1, 1).Fails<InvalidAdapterException>();
        Assert.Contains(setting == "kasa_config" ? "no lora_diag" : "is of a convolution", error.Message);
    }

    [Theory]
    [InlineData("""{ "use_dora": true }""", "'use_dora'")]
    [InlineData("""{ "kasa_config": {} }""", "'kasa_config'")]
    [InlineData("""{ "init_lora_weights": "pissa" }""", "'init_lora_weights'")]
    public void MultiheadAttention_has_plain_LoRA_only(string config, string setting)
    {
        UnsupportedException error = new PeftSample(config).Lora("m.attn", 8, 4, 12).Lora("m.attn.base_layer.out_proj", 8, 4, 4).Fails<UnsupportedException>();
        Assert.Contains("nn.MultiheadAttention", error.Message);
        Assert.Contains(setting, error.Message);
    }

    [Theory]
    [InlineData("\"use_dora\": true", "'use_dora'")]
    [InlineData("\"kasa_config\": {}", "'kasa_config'")]
    [InlineData("\"use_bdlora\": { \"match_strict\": false }", "'use_bdlora'")]
    [InlineData("\"init_lora_weights\": \"olora\"", "'init_lora_weights'")]
    public void Parameters_have_plain_LoRA_only(string variant, string setting)
    {
        UnsupportedException error = new PeftSample($$"""{ "target_parameters": ["experts.down_proj"], {{variant}} }""").Lora("m.experts", 8, 4, 12).Fails<UnsupportedException>();
        Assert.Contains("'m.experts'", error.Message);
        Assert.Contains(setting, error.Message);
    }

    [Theory]
    [InlineData("\"kasa_config\": {}", "'kasa_config'")]
    [InlineData("\"use_bdlora\": { \"match_strict\": false }", "'use_bdlora'")]
    public void Embeddings_have_no_other_factors(string variant, string setting)
    {
        UnsupportedException error = new PeftSample($$"""{ "r": 2, {{variant}} }""").Tensor("base_model.model.e.lora_embedding_A", 2, 9)
            .Tensor("base_model.model.e.lora_embedding_B", 4, 2).Fails<UnsupportedException>();
        Assert.Contains("embedding", error.Message);
        Assert.Contains(setting, error.Message);
    }

    [Fact]
    public void MultiheadAttention_updates_two_parameters()
    {
        using Adapter adapter = new PeftSample("""{ "r": 8, "lora_alpha": 16, "peft_version": "0.20.0" }""").Lora("m.attn", 8, 4, 12).Lora("m.attn.base_layer.out_proj", 8, 4, 4).Read();
        Assert.Equal(["m.attn.in_proj_weight", "m.attn.out_proj.weight"], adapter.Deltas.Select(delta => delta.Target.Path));
        Assert.Equal([2.0, 4.0], adapter.Deltas.Select(delta => ((LowRankDelta)delta).Scale));
        Assert.All(adapter.Deltas, delta => Assert.Equal(WeightOrientation.OutIn, delta.Orientation));
    }

    /// <summary>Any piece of an unpacked factor is the same piece of the whole.</summary>
    [Fact]
    public void Packed_factors_are_unpacked_piece_by_piece()
    {
        float[] packed = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        using Adapter adapter = new PeftSample("""{ "r": 4, "use_bdlora": {"nblocks": 2, "target_modules_bd_a": ["q"]} }""")
            .Values("base_model.model.q.lora_A.weight", new TensorShape(4, 3), packed).Tensor("base_model.model.q.lora_B.weight", 5, 4).Read();
        TensorValue down = ((LowRankDelta)Assert.Single(adapter.Deltas)).Down;
        Assert.Equal(new TensorShape(4, 6), down.Shape);
        Assert.Equal([1.0, 2, 3, 0, 0, 0, 4, 5, 6, 0, 0, 0, 0, 0, 0, 7, 8, 9, 0, 0, 0, 10, 11, 12], down.ToDoubles());
        byte[] whole = new byte[96];
        down.ReadBytes(0, whole);
        for (int start = 0; start < 96; start += 5)
        {
            byte[] piece = new byte[Math.Min(23, 96 - start)];
            down.ReadBytes(start, piece);
            Assert.Equal(whole[start..(start + piece.Length)], piece);
        }
    }

    /// <summary>B·diag(d), in pieces that begin and end inside an element too.</summary>
    [Fact]
    public void A_diagonal_scales_the_columns_of_B()
    {
        using Adapter adapter = new PeftSample("""{ "r": 2, "kasa_config": {"beta": 1} }""").Tensor("base_model.model.q.lora_A.weight", 2, 4)
            .Values("base_model.model.q.lora_B.weight", new TensorShape(3, 2), 1, 2, 3, 4, 5, 6).Values("base_model.model.q.lora_diag", new TensorShape(2), 10, -2).Read();
        ResidualDelta delta = Assert.IsType<ResidualDelta>(Assert.Single(adapter.Deltas));
        Assert.Equal(("kasa", BasePart.Smallest, WeightOrientation.OutIn), (delta.Kind, delta.Part, delta.Orientation));
        Assert.Equal([10.0, -4, 30, -8, 50, -12], delta.Lora.Up.ToDoubles());
        byte[] whole = new byte[48], piece = new byte[21];
        delta.Lora.Up.ReadBytes(0, whole);
        delta.Lora.Up.ReadBytes(5, piece);
        Assert.Equal(whole[5..26], piece);
    }
}
