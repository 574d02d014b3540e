using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>Every kind of LyCORIS is written as it was read, and what has no words there is folded or refused.</summary>
public sealed class KohyaKindWriteTests
{
    private const string M = "lora_unet_x";

    public static TheoryData<string> Fixtures() => new(Directory.GetDirectories(Paths.Fixture("lycoris")).Select(folder => Path.GetFileName(folder)!));

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void Files_of_LyCORIS_come_back_with_every_tensor(string name)
    {
        using SafetensorsFile file = SafetensorsFile.Open(Paths.Fixture("lycoris", name, "adapter.safetensors"));
        using Adapter adapter = AdapterLayouts.Open(file.Path);
        using SavedAdapter saved = new(adapter);
        Assert.Equal(SavedAdapter.Tensors(file), saved.Tensors());
    }

    public static TheoryData<string> Kinds() => new(Samples.Keys);

    private static readonly Dictionary<string, Action<KohyaSample, string>> Samples = new()
    {
        ["LoCon, a residual in full"] = (s, m) => s.Linear(m).Alpha(m, 2).Tensor($"{m}.bias", DType.F16, 37, 53),
        ["LoCon, a sparse residual"] = (s, m) => s.Linear(m).Alpha(m, 2).Bytes($"{m}.bias_indices", DType.I16, [2, 1], [1, 0, 2, 0]).Tensor($"{m}.bias_values", DType.F16, 1).Bytes($"{m}.bias_size", DType.I16, [2], [37, 0, 53, 0]),
        ["LoHa"] = (s, m) => Loha(s, m).Alpha(m, 3, DType.BF16),
        ["LoHa, Tucker"] = (s, m) => s.Tensor($"{m}.hada_w1_a", DType.F16, 4, 7).Tensor($"{m}.hada_w1_b", DType.F16, 4, 5).Tensor($"{m}.hada_t1", DType.F16, 4, 4, 3, 3)
            .Tensor($"{m}.hada_w2_a", DType.F16, 4, 7).Tensor($"{m}.hada_w2_b", DType.F16, 4, 5).Tensor($"{m}.hada_t2", DType.F16, 4, 4, 3, 3).Alpha(m, 1, DType.F32, 1),
        ["LoHa, DoRA by output"] = (s, m) => Loha(s, m).Alpha(m, 3).Tensor($"{m}.dora_scale", DType.F32, 37, 1),
        ["LoHa, DoRA by input"] = (s, m) => Loha(s, m).Alpha(m, 3).Tensor($"{m}.dora_scale", DType.F32, 1, 53),
        ["LoKr, both in full"] = (s, m) => s.Tensor($"{m}.lokr_w1", DType.F16, 3, 2).Tensor($"{m}.lokr_w2", DType.F16, 5, 7, 3, 3).Alpha(m, 10000),
        ["LoKr, the first factored"] = (s, m) => s.Tensor($"{m}.lokr_w1_a", DType.F16, 3, 2).Tensor($"{m}.lokr_w1_b", DType.F16, 2, 2).Tensor($"{m}.lokr_w2", DType.F16, 5, 7).Alpha(m, 3),
        ["LoKr, the second factored"] = (s, m) => s.Tensor($"{m}.lokr_w1", DType.F16, 3, 2).Tensor($"{m}.lokr_w2_a", DType.F16, 5, 4).Tensor($"{m}.lokr_w2_b", DType.F16, 4, 7).Alpha(m, -3),
        ["LoKr, both factored, DoRA"] = (s, m) => s.Tensor($"{m}.lokr_w1_a", DType.F16, 3, 2).Tensor($"{m}.lokr_w1_b", DType.F16, 2, 2).Tensor($"{m}.lokr_w2_a", DType.F16, 5, 4)
            .Tensor($"{m}.lokr_w2_b", DType.F16, 4, 7).Alpha(m, 3).Tensor($"{m}.dora_scale", DType.F16, 15, 1),
        ["LoKr, Tucker"] = (s, m) => s.Tensor($"{m}.lokr_w1", DType.F16, 3, 2).Tensor($"{m}.lokr_w2_a", DType.F16, 4, 5).Tensor($"{m}.lokr_w2_b", DType.F16, 4, 7).Tensor($"{m}.lokr_t2", DType.F16, 4, 4, 3, 3).Alpha(m, 3),
        ["GLoRA"] = (s, m) => Glora(s, m, "a1", "a2", "b1", "b2", 37, 53, 4).Alpha(m, 3),
        ["GLoRA, old"] = (s, m) => Glora(s, m, "a2", "a1", "b2", "b1", 37, 53, 4).Alpha(m, 3),
        ["GLoRA, square"] = (s, m) => Glora(s, m, "a1", "a2", "b1", "b2", 9, 9, 4).Alpha(m, 3),
        ["GLoRA, square and old"] = (s, m) => Glora(s, m, "a2", "a1", "b2", "b1", 9, 9, 4).Alpha(m, 3),
        ["GLoRA, of a rank above the dimension"] = (s, m) => Glora(s, m, "a1", "a2", "b1", "b2", 3, 3, 4),
        ["GLoRA, Tucker"] = (s, m) => s.Tensor($"{m}.a1.weight", DType.F32, 5, 2, 1, 1).Tensor($"{m}.a2.weight", DType.F32, 2, 5, 1, 1).Tensor($"{m}.b1.weight", DType.F32, 7, 2, 1, 1)
            .Tensor($"{m}.b2.weight", DType.F32, 2, 5, 1, 1).Tensor($"{m}.bm.weight", DType.F32, 2, 2, 3, 3).Alpha(m, 2),
        ["Diag-OFT"] = (s, m) => s.Tensor($"{m}.oft_blocks", DType.F32, 3, 4, 4).Tensor($"{m}.rescale", DType.F32, 12, 1, 1, 1).Alpha(m, 0.3),
        ["Diag-OFT without limit"] = (s, m) => s.Tensor($"{m}.oft_blocks", DType.BF16, 3, 4, 4).Alpha(m, 0),
        ["BOFT"] = (s, m) => s.Tensor($"{m}.oft_blocks", DType.F32, 2, 4, 2, 2).Tensor($"{m}.rescale", DType.F32, 8, 1).Alpha(m, 0.3),
        ["IA³ by input"] = (s, m) => s.Tensor($"{m}.weight", DType.F16, 9).Bytes($"{m}.on_input", DType.I64, [], BitConverter.GetBytes(1L)),
        ["IA³ by output"] = (s, m) => s.Tensor($"{m}.weight", DType.F16, 1, 9, 1, 1).Bytes($"{m}.on_input", DType.I64, [], BitConverter.GetBytes(0L)),
        ["a difference and its bias"] = (s, m) => s.Tensor($"{m}.diff", DType.F16, 5, 7, 3, 3).Tensor($"{m}.diff_b", DType.F16, 5),
        ["a bias beside factors"] = (s, m) => s.Linear(m).Alpha(m, 2).Tensor($"{m}.diff_b", DType.F32, 37),
        ["a norm"] = (s, m) => s.Tensor($"{m}.w_norm", DType.F32, 9).Tensor($"{m}.b_norm", DType.F32, 9),
        ["a norm's bias alone"] = (s, m) => s.Tensor($"{m}.b_norm", DType.F32, 9),
        ["a norm as ComfyUI has it"] = (s, m) => s.Tensor($"{m}.diff", DType.F32, 9).Tensor($"{m}.diff_b", DType.F32, 9),
        ["a weight and a scale in their place"] = (s, m) => s.Tensor($"{m}.set_weight", DType.F32, 3, 2).Tensor($"{m}.key_norm.scale.set_weight", DType.F32, 3).Tensor($"{m}.diff_b", DType.F32, 3),
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Every_kind_comes_back_with_every_tensor_under_either_name(string kind)
    {
        foreach (string module in (string[])["lora_unet_x", "lycoris_x"])
        {
            KohyaSample sample = new();
            Samples[kind](sample, module);
            // One of the layout for certain, beside kinds whose names are a model's too.
            sample.Linear(module + "y").Alpha(module + "y", 1).Metadata["ss_network_dim"] = "4";
            using Adapter adapter = sample.Read();
            using SavedAdapter saved = new(adapter);
            using ITensorSource before = sample.Source().Tensors;
            Assert.Equal(SavedAdapter.Tensors(before), saved.Tensors());
            Assert.Equal("4", saved.Adapter.Metadata["ss_network_dim"]);
            Assert.Equal(adapter.Deltas.Select(update => $"{update.Target} {update.Kind} {update.Facts}").Order(), saved.Adapter.Deltas.Select(update => $"{update.Target} {update.Kind} {update.Facts}").Order());
        }
    }

    [Fact]
    public void Every_family_has_a_sample()
    {
        KohyaSample all = new();
        foreach ((string kind, int i) in Samples.Keys.Select((kind, i) => (kind, i))) Samples[kind](all, $"{M}{i}");
        using Adapter adapter = all.Read();
        Assert.Equal(["boft", "dense", "diag-oft", "glora", "ia3", "loha", "lokr", "lora", "sparse"], adapter.Deltas.Select(update => update.Kind).Distinct().Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData(0.75)]
    [InlineData(0.1)]
    [InlineData(1e-20)]
    [InlineData(5000)]
    public void A_squared_scale_is_one_of_another_alpha_under_other_names_and_the_other_way_round(double scale)
    {
        foreach (LohaDelta update in (LohaDelta[])[Loha(new("lora_unet_x"), scale), Loha(new("lycoris_x"), scale)])
        {
            bool isSquared = update.Target.Module.Path[1] == 'y';
            using SavedAdapter saved = new(Of(isSquared ? "lycoris" : "kohya", update));
            LohaDelta back = (LohaDelta)saved.Adapter.Deltas[0];
            Assert.Equal(0, (back.Scale - scale) / scale, isSquared ? 1.2e-7 : 6e-8);
            float alpha = (float)SafetensorsBytes.Read(saved.TensorFile)[$"{update.Target.Module}.alpha"].Values[0];
            Assert.Equal((float)(4 * (isSquared ? Math.Sqrt(scale) : scale)), alpha);
        }
    }

    [Fact]
    public void A_module_that_changes_its_name_keeps_its_update()
    {
        using Adapter adapter = Lokr(Loha(new KohyaSample(), "lycoris_x").Alpha("lycoris_x", 3), "lycoris_k").Alpha("lycoris_k", 3).Read();
        Assert.Equal([0.5625, 0.5625], adapter.Deltas.Select(update => update.Facts.Scale!.Value));
        AdapterDelta[] renamed = [.. adapter.Deltas.Select(update => update.Renamed(new(new(update.Target.Module.Path.Replace("lycoris_", "lora_unet_")), "weight")))];
        using SavedAdapter saved = new(Of("kohya", renamed));
        Assert.Equal([0.5625, 0.5625], saved.Adapter.Deltas.Select(update => update.Facts.Scale!.Value));
        Assert.Equal([2.25f, 2.25f], saved.Adapter.Deltas.Select(update => (float)update.Facts.Alpha!));
        AdapterDelta[] back = [.. saved.Adapter.Deltas.Select(update => update.Renamed(new(new(update.Target.Module.Path.Replace("lora_unet_", "lycoris_")), "weight")))];
        using SavedAdapter again = new(Of("lycoris", back));
        Assert.Equal([0.5625, 0.5625], again.Adapter.Deltas.Select(update => update.Facts.Scale!.Value));
    }

    [Fact]
    public void A_scale_below_0_that_is_squared_goes_into_a_factor()
    {
        LohaDelta loha = Loha(new("lycoris_x"), -0.25);
        LokrDelta lokr = new(Target("lycoris_k"), new(Values(3, 2)), new(Values(5, 4), Values(4, 7)), -0.25, 1);
        Adapter adapter = Of("lycoris", loha, lokr);
        Assert.Equal(2, Limits(adapter).Count(limit => limit.Contains("twice", StringComparison.Ordinal)));
        using SavedAdapter saved = new(Folded(adapter));
        LohaDelta backLoha = saved.Adapter.Deltas.OfType<LohaDelta>().Single();
        LokrDelta backLokr = saved.Adapter.Deltas.OfType<LokrDelta>().Single();
        Assert.Equal((0.25, 0.25), (backLoha.Scale, backLokr.Scale));
        Assert.Equal(loha.First.Up.ToDoubles().Select(value => -value), backLoha.First.Up.ToDoubles());
        Assert.Equal(lokr.First.Up.ToDoubles().Select(value => -value), backLokr.First.Up.ToDoubles());
        Assert.Same(adapter.Layout, Folded(adapter).Layout);
        Assert.Empty(Limits(Of("kohya", Loha(new(M), -0.25))));
    }

    [Fact]
    public void Scales_that_have_no_place_go_into_the_values()
    {
        LokrDelta lokr = new(Target("k"), new(Values(3, 2)), new(Values(5, 7)), -1.5, null);
        Adapter adapter = Of("kohya", lokr, new DenseDelta(Target("a"), Values(3, 2), 0.5), new DenseDelta(new(new("a"), "bias"), Values(3), 3), new DenseDelta(Target("n"), Values(5), 2));
        Assert.Equal(4, Limits(adapter).Count);
        using SavedAdapter saved = new(Folded(adapter));
        var tensors = SafetensorsBytes.Read(saved.TensorFile);
        Assert.Equal(Values(3, 2).ToDoubles().Select(value => value * -1.5), tensors["k.lokr_w1"].Values);
        Assert.Equal(Values(3, 2).ToDoubles().Select(value => value * 0.5), tensors["a.diff"].Values);
        Assert.Equal(Values(3).ToDoubles().Select(value => value * 3), tensors["a.diff_b"].Values);
        Assert.Equal(Values(5).ToDoubles().Select(value => value * 2), tensors["n.w_norm"].Values);
        Assert.All(saved.Adapter.Deltas, update => Assert.Equal(1, update.Facts.Scale));
    }

    [Fact]
    public void Nothing_is_an_update_of_zeros()
    {
        LokrDelta lokr = new(Target("k"), new(Values(3, 2)), new(Values(5, 4), Values(4, 7)), 0, 1);
        GloraFactors factors = new(Values(7, 2), Values(2, 7), Values(5, 2), Values(2, 7), 0);
        using SavedAdapter saved = new(Of("kohya", Loha(new(M), 0), lokr, new GloraDelta(Target("g"), factors, null, 0)));
        Assert.All(saved.Adapter.Deltas, update => Assert.Equal(1, update.Facts.Scale));
        var tensors = SafetensorsBytes.Read(saved.TensorFile);
        foreach (string zero in (string[])[$"{M}.hada_w1_a", "k.lokr_w1", "g.a2.weight", "g.b1.weight"]) Assert.All(tensors[zero].Values, value => Assert.Equal(0, value));
    }

    [Fact]
    public void IA3_is_written_as_its_distance_from_1()
    {
        Ia3Delta ia3 = new(Target("a"), Values(6, 1), byInput: false);
        Adapter adapter = Of("kohya", ia3);
        Assert.Contains("distance from 1", Assert.Single(Limits(adapter)));
        using SavedAdapter saved = new(Folded(adapter));
        Ia3Delta back = (Ia3Delta)saved.Adapter.Deltas[0];
        Assert.Equal((true, false), (back.IsChange, back.ByInput));
        Assert.Equal(ia3.Factors.ToDoubles().Select(value => value - 1), back.Factors.ToDoubles());
    }

    [Theory]
    [InlineData(MagnitudeAxis.Output, new long[] { 7 }, new long[] { 7, 1, 1, 1 })]
    [InlineData(MagnitudeAxis.Output, new long[] { 1, 7, 1, 1 }, new long[] { 7, 1, 1, 1 })]
    [InlineData(MagnitudeAxis.Input, new long[] { 5 }, new long[] { 1, 5, 1, 1 })]
    [InlineData(MagnitudeAxis.FromShape, new long[] { 1, 5 }, new long[] { 1, 5 })]
    public void Magnitudes_have_the_shape_that_tells_their_axis(MagnitudeAxis axis, long[] shape, long[] expected)
    {
        LowRankDelta lora = new(Target("a"), Values(2, 5, 3, 3), Values(7, 2, 1, 1), 0.5, 1);
        using SavedAdapter saved = new(Of("kohya", new MagnitudeDelta(lora, Values(shape), axis)));
        MagnitudeDelta back = (MagnitudeDelta)saved.Adapter.Deltas[0];
        Assert.Equal(new TensorShape(expected), back.Magnitude!.Shape);
        Assert.Equal(Values(shape).ToDoubles(), back.Magnitude.ToDoubles());
    }

    [Fact]
    public void What_cannot_be_said_is_named()
    {
        ParameterName a = Target("a");
        LowRankDelta lora = new(a, Values(2, 5), Values(7, 2), 0.5, 1);
        string Of1(params AdapterDelta[] updates) => string.Join("; ", Limits(Of("kohya", updates)));
        Assert.Contains("DoRA without magnitudes", Of1(new MagnitudeDelta(lora, null, MagnitudeAxis.Output)));
        Assert.Contains("kind DoRA over dense", Of1(new MagnitudeDelta(new DenseDelta(a, Values(7, 5), 1), Values(7), MagnitudeAxis.Output)));
        Assert.Contains("innermost", Of1(new LokrDelta(a, new(Values(2, 2)), new(Values(3, 2, 3)), 1, 1) { IsInnermost = true }));
        Assert.Contains("kind sparse", Of1(new SparseResidualDelta(a, Values(2, 1), Values(1), new(7, 5), 1)));
        Assert.Contains("2 updates", Of1(lora, new DenseDelta(a, Values(7, 5), 1)));
        Assert.Contains("3 updates", Of1(lora, lora, new DenseDelta(a, Values(7, 5), 0.5), new DenseDelta(a, Values(7, 5), 0.5)));
        Assert.Contains("oft_unet_", Of1(new DiagOftDelta(a, Values(2, 3, 3), null, new OrthogonalLimit(0.5, true))));
        Assert.Contains("oft_unet_", Of1(new DiagOftDelta(Target("oft_unet_a"), Values(2, 3, 3), null, new OrthogonalLimit(0.5, false))));
        Assert.Contains("another kind", Of1(new Ia3Delta(Target("a.lora_up"), Values(3), true) { IsChange = true }));
        Assert.Contains("no module's weight", Of1(new DenseDelta(new(new("a"), "gate"), Values(3), 1)));
        Assert.Empty(Of1(lora, new DenseDelta(a, Values(7, 5), 0.5)));
        Adapter replaced = new("x", "kohya", null) { Deltas = [lora], Replacements = [new(a, Values(7, 5), null, "set_weight"), new(Target("b"), Values(7, 5), null, "modules_to_save")] };
        Assert.Equal(["'b.weight' is replaced in full (modules_to_save)", "'a.weight' is replaced in full and updated"], Limits(replaced));
    }

    private static Adapter Of(string layout, params AdapterDelta[] updates) => new("x", layout, null) { Deltas = updates };

    private static IReadOnlyList<string> Limits(Adapter adapter) => AdapterLayouts.Named(adapter.Layout).Limits(adapter);

    private static Adapter Folded(Adapter adapter) => AdapterLayouts.Named(adapter.Layout).Fold(adapter);

    private static ParameterName Target(string module) => new(new(module), "weight");

    private static LohaDelta Loha(ModuleName module, double scale) => new(new(module, "weight"), (Values(9, 4), Values(4, 11)), (Values(9, 4), Values(4, 11)), scale, null);

    private static KohyaSample Loha(KohyaSample sample, string m) => sample.Tensor($"{m}.hada_w1_a", DType.F16, 37, 4).Tensor($"{m}.hada_w1_b", DType.F16, 4, 53)
        .Tensor($"{m}.hada_w2_a", DType.F16, 37, 4).Tensor($"{m}.hada_w2_b", DType.F16, 4, 53);

    private static KohyaSample Lokr(KohyaSample sample, string m) => sample.Tensor($"{m}.lokr_w1", DType.F16, 3, 2).Tensor($"{m}.lokr_w2_a", DType.F16, 5, 4).Tensor($"{m}.lokr_w2_b", DType.F16, 4, 7);

    private static KohyaSample Glora(KohyaSample sample, string m, string a1, string a2, string b1, string b2, long outputs, long inputs, long rank) =>
        sample.Tensor($"{m}.{a1}.weight", DType.F32, inputs, rank).Tensor($"{m}.{a2}.weight", DType.F32, rank, inputs).Tensor($"{m}.{b1}.weight", DType.F32, outputs, rank).Tensor($"{m}.{b2}.weight", DType.F32, rank, inputs);

    private static MemoryTensor Values(params long[] sizes)
    {
        TensorShape shape = new(sizes);
        Random random = new((int)shape.ElementCount);
        return new("values", shape, [.. Enumerable.Range(0, (int)shape.ElementCount).Select(_ => (float)random.NextDouble() - 0.5f)]);
    }
}
