using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>The families of LyCORIS: which tensors make which update, with which scale.</summary>
public sealed class LycorisReadTests
{
    private const string Module = "lora_unet_x";

    [Fact]
    public void One_file_may_mix_kinds_and_a_bias_goes_with_any()
    {
        KohyaSample sample = new KohyaSample().Linear("lycoris_a").Tensor("lycoris_a.diff_b", DType.F32, 37).Tensor("lycoris_b.diff", DType.F16, 5, 7).Tensor("lycoris_b.diff_b", DType.F16, 5)
            .Tensor("lycoris_c.w_norm", DType.F32, 9).Tensor("lycoris_c.b_norm", DType.F32, 9).Tensor("lycoris_d.oft_blocks", DType.F32, 3, 2, 2).Tensor("lycoris_e.oft_blocks", DType.F32, 2, 4, 2, 2)
            .Tensor("lycoris_f.weight", DType.F32, 9).Bytes("lycoris_f.on_input", DType.I64, [], new byte[8]);
        using Adapter adapter = sample.Read();
        Assert.Equal("lycoris", adapter.Layout);
        Assert.Equal(
            ["lycoris_a.bias dense", "lycoris_a.weight lora", "lycoris_b.bias dense", "lycoris_b.weight dense", "lycoris_c.weight dense", "lycoris_c.bias dense", "lycoris_d.weight diag-oft", "lycoris_e.weight boft", "lycoris_f.weight ia3"],
            adapter.Deltas.Select(update => $"{update.Target} {update.Kind}"));
        Assert.False(((Ia3Delta)adapter.Deltas[^1]).ByInput);
    }

    [Theory]
    [InlineData("lycoris_x", LycorisScale.OfNames, 0.25)]
    [InlineData("lora_unet_x", LycorisScale.OfNames, 0.5)]
    [InlineData("lycoris_x", LycorisScale.Once, 0.5)]
    [InlineData("lora_unet_x", LycorisScale.Twice, 0.25)]
    public void LyCORIS_merges_LoHa_and_LoKr_with_the_scale_twice(string module, LycorisScale option, double scale)
    {
        KohyaSample sample = Loha(new KohyaSample(), module).Alpha(module, 2).Tensor($"{module}k.lokr_w1", DType.F16, 3, 2).Tensor($"{module}k.lokr_w2_a", DType.F16, 5, 4)
            .Tensor($"{module}k.lokr_w2_b", DType.F16, 4, 7).Alpha($"{module}k", 2).Linear($"{module}l").Alpha($"{module}l", 2);
        using Adapter adapter = sample.Read(new() { LycorisScale = option });
        Assert.Equal([scale, scale, 0.5], adapter.Deltas.Select(update => update.Facts.Scale!.Value));
        Assert.Equal(scale == 0.25 ? ["lycoris_scale"] : [], adapter.Issues.Select(issue => issue.Code));
    }

    [Fact]
    public void LoKr_in_full_has_scale_one_and_else_the_rank_of_its_second_factor_counts()
    {
        KohyaSample sample = new KohyaSample().Tensor("a.lokr_w1", DType.F16, 3, 2).Tensor("a.lokr_w2", DType.F16, 5, 7, 3, 3).Alpha("a", 10000)
            .Tensor("b.lokr_w1_a", DType.F16, 3, 2).Tensor("b.lokr_w1_b", DType.F16, 2, 2).Tensor("b.lokr_w2", DType.F16, 5, 7).Alpha("b", 3)
            .Tensor("c.lokr_w1", DType.F16, 3, 2).Tensor("c.lokr_w2_a", DType.F16, 4, 5).Tensor("c.lokr_w2_b", DType.F16, 4, 7).Tensor("c.lokr_t2", DType.F16, 4, 4, 3, 3).Alpha("c", 3)
            .Tensor("d.lokr_w1_a", DType.F16, 3, 2).Tensor("d.lokr_w1_b", DType.F16, 2, 2).Tensor("d.lokr_w2_a", DType.F16, 5, 4).Tensor("d.lokr_w2_b", DType.F16, 4, 7).Alpha("d", 3);
        using Adapter adapter = sample.Read();
        Assert.Equal([1, 1.5, 0.75, 0.75], adapter.Deltas.Select(update => update.Facts.Scale!.Value));
        Assert.Equal([new(15, 14, 3, 3), new(15, 14), new(15, 14, 3, 3), new(15, 14)], adapter.Deltas.Select(update => update.Shape!.Value));
        Assert.Empty(adapter.Issues);
    }

    [Theory]
    [InlineData("scalar", 0.5 * 3)]
    [InlineData("scale", 3)]
    public void Scalars_multiply_and_A1111s_scale_takes_the_place_of_alpha(string ending, double scale)
    {
        KohyaSample sample = new KohyaSample().Linear(Module).Alpha(Module, 2).Bytes($"{Module}.{ending}", DType.F32, [], new TestTensor("", DType.F32, [], [3]).Bytes());
        using Adapter adapter = sample.Read();
        Assert.Equal(scale, ((LowRankDelta)adapter.Deltas[0]).Scale);
    }

    [Fact]
    public void Residuals_have_the_scale_of_their_module()
    {
        KohyaSample sample = new KohyaSample().Linear(Module).Alpha(Module, 2).Bytes(Module + ".bias_indices", DType.I16, [2, 1], [1, 0, 2, 0]).Tensor(Module + ".bias_values", DType.F16, 1)
            .Bytes(Module + ".bias_size", DType.I16, [2], [37, 0, 53, 0]).Linear("b").Tensor("b.bias", DType.F16, 37, 53);
        using Adapter adapter = sample.Read();
        Assert.Equal(["dense", "lora", "lora", "sparse"], adapter.Deltas.Select(update => update.Kind).Order(StringComparer.Ordinal));
        Assert.Equal((0.5, new TensorShape(37, 53)), adapter.Deltas.OfType<SparseResidualDelta>().Select(update => (update.Scale, update.Shape!.Value)).Single());
    }

    [Theory]
    [InlineData(new long[] { 37, 1 })]
    [InlineData(new long[] { 1, 53 })]
    public void DoRA_goes_around_LoRA_LoHa_and_LoKr(long[] magnitudes)
    {
        KohyaSample sample = new KohyaSample().Linear("a").Tensor("a.dora_scale", DType.F32, magnitudes);
        sample = Loha(sample, "b").Tensor("b.dora_scale", DType.F32, magnitudes);
        using Adapter adapter = sample.Read();
        Assert.All(adapter.Deltas, update => Assert.True(update.Facts.Dora));
        Assert.Equal(["loha", "lora"], adapter.Deltas.Select(update => update.Kind).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void DoRA_around_anything_else_is_refused()
    {
        Assert.Contains("dora_scale", new KohyaSample().Tensor("a.diff", DType.F32, 3, 2).Tensor("a.dora_scale", DType.F32, 3, 1).Fails<UnsupportedException>().Message);
        Assert.Contains("dora_scale", new KohyaSample().Linear("a").Tensor("a.bias", DType.F32, 37, 53).Tensor("a.dora_scale", DType.F32, 37, 1).Fails<UnsupportedException>().Message);
    }

    [Theory]
    [InlineData("a1.weight", "a2.weight", "b1.weight", "b2.weight")]
    [InlineData("a2.weight", "a1.weight", "b2.weight", "b1.weight")]
    public void GLoRA_of_either_age_is_told_by_its_shapes(string a1, string a2, string b1, string b2)
    {
        KohyaSample sample = new KohyaSample().Tensor($"{Module}.{a1}", DType.F32, 53, 4).Tensor($"{Module}.{a2}", DType.F32, 4, 53).Tensor($"{Module}.{b1}", DType.F32, 37, 4)
            .Tensor($"{Module}.{b2}", DType.F32, 4, 53).Alpha(Module, 2);
        using Adapter adapter = sample.Read();
        GloraDelta update = (GloraDelta)adapter.Deltas[0];
        Assert.Equal((new TensorShape(37, 53), 0.5, $"{Module}.{b1}"), (update.Shape!.Value, update.Factors.Scale, update.Factors.B1.Name));
    }

    /// <summary>Where all sizes are the same, the kernel tells: only the factor that meets the inputs has it.</summary>
    [Theory]
    [InlineData("b1.weight", "b2.weight")]
    [InlineData("b2.weight", "b1.weight")]
    public void GLoRA_of_either_age_is_told_by_its_kernel(string withKernel, string without)
    {
        KohyaSample sample = new KohyaSample().Tensor("a.a1.weight", DType.F32, 2, 2, 1, 1).Tensor("a.a2.weight", DType.F32, 2, 2, 1, 1)
            .Tensor($"a.{withKernel}", DType.F32, 2, 2, 3, 3).Tensor($"a.{without}", DType.F32, 2, 2, 1, 1);
        using Adapter adapter = sample.Read();
        GloraDelta update = (GloraDelta)adapter.Deltas[0];
        Assert.Equal((new TensorShape(2, 2, 3, 3), $"a.{without}"), (update.Shape!.Value, update.Factors.B1.Name));
    }

    [Fact]
    public void GLoRA_has_a_Tucker_core_for_kernels()
    {
        KohyaSample sample = new KohyaSample().Tensor("a.a1.weight", DType.F32, 5, 2, 1, 1).Tensor("a.a2.weight", DType.F32, 2, 5, 1, 1).Tensor("a.b1.weight", DType.F32, 7, 2, 1, 1)
            .Tensor("a.b2.weight", DType.F32, 2, 5, 1, 1).Tensor("a.bm.weight", DType.F32, 2, 2, 3, 3);
        using Adapter adapter = sample.Read();
        Assert.Equal(new TensorShape(7, 5, 3, 3), adapter.Deltas[0].Shape);
    }

    [Theory]
    [InlineData("lora_unet_x", 0, null, false)]
    [InlineData("lora_unet_x", 0.5, 0.5 * 12, false)]
    [InlineData("oft_unet_x", 0, 0.0, true)]
    [InlineData("oft_unet_x", 0.5, 0.5 * 12, true)]
    public void The_constraint_of_OFT_is_alpha_times_the_outputs(string module, double alpha, double? norm, bool always)
    {
        using Adapter adapter = new KohyaSample().Tensor(module + ".oft_blocks", DType.F32, 3, 4, 4).Tensor(module + ".rescale", DType.F32, 12, 1).Alpha(module, alpha).Read();
        DiagOftDelta update = (DiagOftDelta)adapter.Deltas[0];
        Assert.Equal(norm is { } limit ? new OrthogonalLimit(limit, always) : null, update.Limit);
        Assert.NotNull(update.Rescale);
        Assert.Empty(adapter.Issues);
    }

    [Fact]
    public void Embeddings_and_scales_without_use_are_claimed_and_said()
    {
        using Adapter adapter = new KohyaSample().Tensor("a.diff", DType.F32, 3, 2).Alpha("a", 4).Tensor("bundle_emb.hat.string_to_param.*", DType.F32, 2, 3).Read();
        Assert.Equal(["bundle_emb", "stray_alpha"], adapter.Issues.Select(issue => issue.Code).Order(StringComparer.Ordinal));
        Assert.Single(adapter.Deltas);
    }

    [Fact]
    public void ComfyUIs_set_weight_replaces_a_weight_or_a_scale()
    {
        using Adapter adapter = new KohyaSample().Tensor("a.set_weight", DType.F32, 3, 2).Tensor("b.key_norm.scale.set_weight", DType.F32, 3).Read();
        Assert.Equal(["a.weight", "b.key_norm.scale"], adapter.Replacements.Select(replacement => replacement.Target.Path));
    }

    [Fact]
    public void ComfyUIs_reshape_weight_is_held_to_the_update()
    {
        byte[] Shape(int rows, int columns) => [.. BitConverter.GetBytes((long)rows), .. BitConverter.GetBytes((long)columns)];
        using Adapter adapter = new KohyaSample().Linear("a").Bytes("a.reshape_weight", DType.I64, [2], Shape(37, 53)).Read();
        Assert.Contains(adapter.Issues, issue => issue.Code == "reshape_weight");
        Assert.Contains("reshape_weight [40, 53]", new KohyaSample().Linear("a").Bytes("a.reshape_weight", DType.I64, [2], Shape(40, 53)).Fails<UnsupportedException>().Message);
        new KohyaSample().Linear("a").Bytes("a.reshape_weight", DType.I64, [2], Shape(-1, 53)).Fails<InvalidAdapterException>();
    }

    [Theory]
    [InlineData("hada_w1_a", "hada_w1_b", "hada_w2_a")]
    [InlineData("lokr_w1", "lokr_w2_a")]
    [InlineData("lokr_w2")]
    [InlineData("a1.weight", "a2.weight", "b1.weight")]
    [InlineData("on_input")]
    [InlineData("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1")]
    [InlineData("lokr_w1", "lokr_w1_a", "lokr_w2")]
    public void A_missing_part_is_an_error_that_names_the_module(params string[] endings)
    {
        KohyaSample sample = new();
        foreach (string ending in endings) sample.Tensor($"{Module}.{ending}", DType.F32, 2, 2);
        Assert.Contains($"'{Module}'", sample.Fails<InvalidAdapterException>().Message);
    }

    [Fact]
    public void A_core_of_LoKrs_first_factor_and_strays_are_refused()
    {
        Assert.Contains("lokr_t1", new KohyaSample().Tensor("a.lokr_w1", DType.F32, 2, 2).Tensor("a.lokr_w2", DType.F32, 2, 2).Tensor("a.lokr_t1", DType.F32, 2, 2, 3, 3).Fails<UnsupportedException>().Message);
        Assert.Contains("'b.weight'", new KohyaSample().Linear("a").Tensor("b.weight", DType.F32, 2, 2).Fails<InvalidAdapterException>().Message);
        Assert.Contains("'a.rescale'", new KohyaSample().Linear("a").Tensor("a.rescale", DType.F32, 37, 1).Fails<InvalidAdapterException>().Message);
    }

    [Theory]
    [InlineData("smart_falcon_4_lokr.safetensors")]
    [InlineData("smart_falcon_8_lokr.safetensors")]
    public void Real_files_are_read_with_every_tensor(string name)
    {
        Assert.SkipWhen(Paths.Conformance is null, "no real adapters on this machine");
        string file = Path.Combine(Paths.Conformance!, "..", "real", "diffusion", "KohakuBlueleaf__LyCORIS", "result", name);
        Assert.SkipUnless(File.Exists(file), "no real adapters on this machine");
        using Adapter adapter = AdapterLayouts.Open(file);
        Assert.Equal(("kohya", 350), (adapter.Layout, adapter.Deltas.Count));
        Assert.All(adapter.Deltas, update => Assert.Equal("lokr", update.Kind));
        Assert.Empty(adapter.Issues);
    }

    private static KohyaSample Loha(KohyaSample sample, string module) => sample.Tensor($"{module}.hada_w1_a", DType.F16, 37, 4).Tensor($"{module}.hada_w1_b", DType.F16, 4, 53)
        .Tensor($"{module}.hada_w2_a", DType.F16, 37, 4).Tensor($"{module}.hada_w2_b", DType.F16, 4, 53);
}
