using LoraKit.Formats.Adapters;
using LoraKit.Formats.Adapters.Torch;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>LoKr, LoHa and the methods of few numbers: which tensors make an update, and what is refused.</summary>
public sealed class PeftAdditiveMethodTests
{
    private const string X = "base_model.model.m.x.";

    [Fact]
    public void LoKr_takes_each_factor_whole_or_in_parts()
    {
        PeftSample sample = Of("LOKR", """ "r": 2, "alpha": 3 """).Tensor(X + "lokr_w1_a", 3, 2).Tensor(X + "lokr_w1_b", 2, 5)
            .Tensor(X + "lokr_t2", 2, 2, 3, 3).Tensor(X + "lokr_w2_a", 2, 7).Tensor(X + "lokr_w2_b", 2, 4);
        LokrDelta delta = Assert.IsType<LokrDelta>(Assert.Single(sample.Read().Deltas));
        Assert.Equal(new TensorShape(21, 20, 3, 3), delta.Shape);
        Assert.Equal(1.5, delta.Scale);
        Assert.False(delta.IsInnermost);
        LokrDelta whole = (LokrDelta)Assert.Single(Of("LOKR", """ "r": 2, "alpha": 3 """).Tensor(X + "lokr_w1", 3, 5).Tensor(X + "lokr_w2", 7, 4, 3).Read().Deltas);
        Assert.True(whole.IsInnermost);
        Assert.Equal(1.5, whole.Scale);
    }

    [Theory]
    [InlineData("LOKR", "lokr_w1 lokr_w2_a", "no lokr_w2_b")]
    [InlineData("LOKR", "lokr_w1 lokr_w1_a lokr_w2", "in full and as factors")]
    [InlineData("LOKR", "lokr_w1", "no lokr_w2_a")]
    [InlineData("LOHA", "hada_w1_a hada_w1_b hada_w2_a", "no hada_w2_b")]
    [InlineData("SHIRA", "shira_weight", "no shira_indices")]
    [InlineData("RANDLORA", "randlora_gamma", "randlora_A")]
    public void A_missing_half_is_named(string type, string tensors, string what)
    {
        PeftSample sample = Of(type);
        foreach (string tensor in tensors.Split(' ')) sample.Tensor(X + tensor, 4, 4);
        Assert.Contains(what, Assert.ThrowsAny<LoraKitException>(sample.Read).Message);
    }

    [Fact]
    public void LoHa_needs_both_cores_or_none()
    {
        PeftSample sample = Of("LOHA", "\"r\": 2").Tensor(X + "hada_w1_a", 2, 7).Tensor(X + "hada_w1_b", 2, 5).Tensor(X + "hada_t1", 2, 2, 3, 3).Tensor(X + "hada_w2_a", 2, 7).Tensor(X + "hada_w2_b", 2, 5);
        Assert.Contains("hada_t1 and hada_t2", sample.Fails<InvalidAdapterException>().Message);
        Assert.Equal(new TensorShape(7, 5, 3, 3), Assert.Single(sample.Tensor(X + "hada_t2", 2, 2, 3, 3).Read().Deltas).Shape);
    }

    [Fact]
    public void Two_methods_on_one_module_are_refused()
    {
        PeftSample sample = Of("LOKR").Tensor(X + "lokr_w1", 3, 5).Tensor(X + "lokr_w2", 7, 4).Tensor(X + "hada_w1_a", 2, 2);
        Assert.Contains("LoHa", sample.Fails<UnsupportedException>().Message);
    }

    [Theory]
    [InlineData("MISS", "miss_block", "true", typeof(MissDelta), false)]
    [InlineData("MISS", "miss_block", "\"mini\"", typeof(MissDelta), true)]
    [InlineData("BONE", "bone_block", "false", typeof(MissDelta), false)]
    [InlineData("MISS", "miss_block", "\"bat\"", typeof(BatDelta), false)]
    [InlineData("BONE", "bone_block", "\"bat\"", typeof(BatDelta), false)]
    public void MiSS_and_Bone_say_their_form(string type, string tensor, string form, Type kind, bool isMini)
    {
        PeftSample sample = Of(type, $"\"init_weights\": {form}");
        sample = kind == typeof(BatDelta) ? sample.Tensor(X + tensor, 3, 4, 4) : sample.Tensor(X + tensor, 4, 12);
        AdapterDelta delta = Assert.Single(sample.Read().Deltas);
        Assert.IsType(kind, delta);
        Assert.Equal(isMini, delta is MissDelta { IsMini: true });
    }

    [Fact]
    public void C3A_tells_its_shape() =>
        Assert.Equal(new TensorShape(12, 20), Assert.Single(Of("C3A").Tensor(X + "c3a_kernel", 3, 5, 4).Read().Deltas).Shape);

    [Fact]
    public void Spectra_take_seed_scale_and_wavelet_from_the_configuration()
    {
        FourierFtDelta fourier = (FourierFtDelta)Assert.Single(Of("FOURIERFT", """ "random_loc_seed": 5, "scaling": 7.5, "fan_in_fan_out": true """).Tensor(X + "fourierft_spectrum", 9).Read().Deltas);
        Assert.Equal((5, 7.5, true), (fourier.Seed, fourier.Scale, fourier.SquareIsInOut));
        Assert.Contains("random_loc_seed", Of("FOURIERFT", """ "random_loc_seed": null """).Tensor(X + "fourierft_spectrum", 9).Fails<InvalidAdapterException>().Message);
        WaveFtDelta wave = (WaveFtDelta)Assert.Single(Of("WAVEFT", """ "wavelet_family": "sym4" """).Tensor(X + "waveft_spectrum", 9).Read().Deltas);
        Assert.Equal((777, 25, "sym4"), (wave.Seed, wave.Scale, wave.Family));
        Assert.Null(((WaveFtDelta)Assert.Single(Of("WAVEFT", """ "use_idwt": false """).Tensor(X + "waveft_spectrum", 9).Read().Deltas)).Family);
    }

    [Theory]
    [InlineData("VERA", "vera")]
    [InlineData("PVERA", "pvera")]
    public void VeRA_needs_its_projections(string type, string prefix)
    {
        PeftSample sample = Of(type).Tensor($"{X}{prefix}_lambda_d", type == "VERA" ? 4 : 8).Tensor($"{X}{prefix}_lambda_b", 7);
        Assert.Contains("save_projection=True", sample.Fails<UnsupportedException>().Message);
        Adapter read = sample.Tensor($"base_model.{prefix}_A", type == "VERA" ? 4 : 8, 9).Tensor($"base_model.{prefix}_B", 8, 4).Read();
        Assert.Equal(prefix, Assert.Single(read.Deltas).Kind);
    }

    [Fact]
    public void UniLoRA_needs_its_indices() =>
        Assert.Contains("save_indices=True", Of("UNILORA").Tensor("base_model.unilora_theta_d", 16).Fails<UnsupportedException>().Message);

    [Fact]
    public void TinyLoRA_finds_the_group_by_the_seed_of_the_projection()
    {
        // In the model's order: q, k, v, o; two groups of two.
        string[] order = ["q", "k", "v", "o"];
        PeftSample sample = Of("TINYLORA", """ "r": 3, "u": 5, "weight_tying": 0.5 """).Tensor("base_model.tinylora_v.0", 5).Tensor("base_model.tinylora_v.1", 5);
        foreach (string module in order.Order())
        {
            float[] p = new float[5 * 3 * 3];
            new TorchGenerator(42 + Array.IndexOf(order, module)).Normal(p);
            sample.Tensor($"base_model.model.{module}.tinylora_A", 3, 6).Tensor($"base_model.model.{module}.tinylora_B", 7, 3)
                .Values($"base_model.model.{module}.tinylora_P", new(5, 3, 3), [.. p.Select(value => value / MathF.Sqrt(3))]);
        }

        Dictionary<string, string> groups = sample.Read().Deltas.ToDictionary(delta => delta.Target.Module.Path, delta => delta.Tensors[^1].Name);
        Assert.Equal(["0", "0", "1", "1"], order.Select(module => groups[module][^1..]));
    }

    [Fact]
    public void TinyLoRA_without_projections_or_with_foreign_ones_is_refused()
    {
        PeftSample sample = Of("TINYLORA").Tensor("base_model.tinylora_v.0", 5).Tensor("base_model.tinylora_v.1", 5);
        foreach (string module in (string[])["q", "k"]) sample.Tensor($"base_model.model.{module}.tinylora_A", 3, 6).Tensor($"base_model.model.{module}.tinylora_B", 7, 3);
        Assert.Contains("save_projection=True", sample.Fails<UnsupportedException>().Message);
        foreach (string module in (string[])["q", "k"]) sample.Valued($"base_model.model.{module}.tinylora_P", DType.F32, 5, 3, 3);
        Assert.Contains("projection_seed", sample.Fails<InvalidAdapterException>().Message);
    }

    private static PeftSample Of(string type, string settings = "") => new($"{{ \"peft_type\": \"{type}\"{(settings.Length > 0 ? "," : "")} {settings} }}");
}
