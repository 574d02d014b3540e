using System.Buffers.Binary;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Layouts;

public sealed class KohyaReadTests
{
    private const string Module = "lora_unet_down_blocks_0_attn1_to_q";

    public static TheoryData<DType> Floats() => new(DTypes.All.Where(type => type.IsMergeable()));

    [Theory]
    [MemberData(nameof(Floats))]
    public void Names_stay_as_they_are_and_the_scale_is_alpha_by_rank(DType dtype)
    {
        using Adapter adapter = new KohyaSample().Linear(Module, rank: 4, dtype).Alpha(Module, 3).Read();
        LowRankDelta update = Assert.IsType<LowRankDelta>(Assert.Single(adapter.Deltas));
        Assert.Equal(("kohya", Module + ".weight"), (adapter.Layout, update.Target.Path));
        Assert.Equal((4, 0.75, 3.0), (update.Rank, update.Scale, update.Alpha));
        Assert.Equal((37, 53), (update.OutFeatures, update.InFeatures));
        Assert.Empty(adapter.Issues);
    }

    [Theory]
    [InlineData(DType.F64, new long[0])]
    [InlineData(DType.F32, new long[] { 1 })]
    [InlineData(DType.F16, new long[0])]
    [InlineData(DType.BF16, new long[] { 1 })]
    [InlineData(DType.I64, new long[0])]
    [InlineData(DType.I32, new long[] { 1 })]
    [InlineData(DType.U8, new long[0])]
    public void Alpha_may_be_of_any_type_and_of_shape_none_or_one(DType dtype, long[] shape)
    {
        byte[] bytes = dtype.IsMergeable() ? new TestTensor("", dtype, shape, [6]).Bytes() : [6, .. new byte[dtype.Bytes() - 1]];
        using Adapter adapter = new KohyaSample().Linear(Module).Bytes(Module + ".alpha", dtype, shape, bytes).Read();
        Assert.Equal(1.5, ((LowRankDelta)adapter.Deltas[0]).Scale);
    }

    [Fact]
    public void Negative_whole_numbers_keep_their_sign()
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, -2);
        using Adapter adapter = new KohyaSample().Linear(Module).Bytes(Module + ".alpha", DType.I64, [], bytes).Read();
        Assert.Equal(-0.5, ((LowRankDelta)adapter.Deltas[0]).Scale);
    }

    [Fact]
    public void Without_alpha_the_scale_is_one()
    {
        using Adapter adapter = new KohyaSample().Linear(Module).Linear("lora_te_x").Alpha("lora_te_x", 2).Read();
        Assert.Equal([1, 0.5], adapter.Deltas.Cast<LowRankDelta>().Select(update => update.Scale));
        Assert.Equal(("missing_alpha", IssueSeverity.Info), (Assert.Single(adapter.Issues).Code, adapter.Issues[0].Severity));
    }

    [Fact]
    public void Alpha_zero_is_the_rank_and_a_warning()
    {
        using Adapter adapter = new KohyaSample().Linear(Module).Alpha(Module, 0).Read();
        Assert.Equal(1, ((LowRankDelta)adapter.Deltas[0]).Scale);
        Assert.Equal(("zero_alpha", Module), (Assert.Single(adapter.Issues).Code, adapter.Issues[0].Where));
    }

    [Theory]
    [InlineData(new long[] { 3, 5, 1, 1 }, new long[] { 7, 3, 1, 1 })]
    [InlineData(new long[] { 3, 5, 3, 3 }, new long[] { 7, 3, 1, 1 })]
    [InlineData(new long[] { 3, 5, 3, 1 }, new long[] { 7, 3, 1, 1 })]
    [InlineData(new long[] { 3, 5, 2 }, new long[] { 7, 3, 1 })]
    [InlineData(new long[] { 3, 5, 2, 2, 2 }, new long[] { 7, 3, 1, 1, 1 })]
    [InlineData(new long[] { 3, 5, 2, 2 }, new long[] { 7, 3 })]
    public void Kernels_of_one_to_three_dimensions(long[] down, long[] up)
    {
        using Adapter adapter = new KohyaSample().Tensor(Module + ".lora_down.weight", DType.F32, down).Tensor(Module + ".lora_up.weight", DType.F32, up).Read();
        LowRankDelta update = (LowRankDelta)adapter.Deltas[0];
        Assert.Equal((new TensorShape(down), new TensorShape(up), 3L), (update.Down.Shape, update.Up.Shape, update.Rank));
    }

    [Theory]
    [MemberData(nameof(Floats))]
    public void A_Tucker_core_is_folded_into_the_down_factor(DType dtype)
    {
        // Unequal ranks on the two sides of the core: nobody writes them, the definition allows them.
        KohyaSample sample = new KohyaSample().Tensor(Module + ".lora_down.weight", dtype, 3, 5, 1, 1).Tensor(Module + ".lora_mid.weight", dtype, 2, 3, 2, 4)
            .Tensor(Module + ".lora_up.weight", dtype, 7, 2, 1, 1).Alpha(Module, 6);
        using Adapter adapter = sample.Read();
        LowRankDelta update = (LowRankDelta)adapter.Deltas[0];
        Assert.Equal((2, 2.0, new TensorShape(2, 5, 2, 4)), (update.Rank, update.Scale, update.Down.Shape));
        Assert.Equal([Module + ".lora_down.weight", Module + ".lora_mid.weight", Module + ".lora_up.weight"], update.Tensors.Select(tensor => tensor.Name));

        double[] down = update.Tensors[0].ToDoubles();
        double[] mid = update.Tensors[1].ToDoubles();
        double[] folded = update.Down.ToDoubles();
        for (int o = 0; o < 2; o++)
        {
            for (int c = 0; c < 5; c++)
            {
                for (int k = 0; k < 8; k++)
                {
                    double sum = 0;
                    for (int i = 0; i < 3; i++) sum += mid[(((o * 3) + i) * 8) + k] * down[(i * 5) + c];
                    Assert.Equal(sum, folded[(((o * 5) + c) * 8) + k]);
                }
            }
        }

        // Any range of bytes, from the middle of an element too.
        byte[] whole = new byte[folded.Length * 8];
        update.Down.ReadBytes(0, whole);
        foreach ((int start, int length) in (ReadOnlySpan<(int, int)>)[(3, 5), (300, 40), (317, 200), (639, 1), (640, 0)])
        {
            byte[] part = new byte[length];
            update.Down.ReadBytes(start, part);
            Assert.Equal(whole[start..(start + length)], part);
        }
    }

    [Theory]
    [InlineData("lycoris-locon", "Lycoris")]
    [InlineData("lycoris-locon-tucker", "Lycoris")]
    public void Read_and_added_naively_it_is_what_LyCORIS_merged(string name, string prefix) => AssertMerges(Paths.Fixture("kohya", name), prefix.ToLowerInvariant() + "_");

    [Theory]
    [InlineData("locon")]
    [InlineData("locon-rslora")]
    [InlineData("locon-tucker")]
    public void And_for_the_conformance_cases(string name)
    {
        Assert.SkipWhen(Paths.Conformance is null, "no conformance data on this machine");
        AssertMerges(Path.Combine(Paths.Conformance!, "lycoris", name), "lycoris_");
    }

    [Theory]
    [InlineData("hada_w1_a", "LoHa")]
    [InlineData("lokr_w2", "LoKr")]
    [InlineData("diff", "full difference")]
    [InlineData("w_norm", "norm")]
    [InlineData("oft_blocks", "Diag-OFT")]
    [InlineData("a1.weight", "GLoRA")]
    [InlineData("on_input", "IA³")]
    [InlineData("set_weight", "replaced weight")]
    public void Two_kinds_of_update_of_one_module_are_refused_by_name(string ending, string kind)
    {
        InvalidAdapterException error = new KohyaSample().Linear(Module).Tensor($"{Module}.{ending}", DType.F32, 4, 4).Fails<InvalidAdapterException>();
        Assert.Contains(kind, error.Message);
        Assert.Contains("LoRA", error.Message);
        Assert.Contains($"'{Module}'", error.Message);
    }

    [Fact]
    public void Factors_of_PEFT_beside_those_of_kohya_are_refused()
    {
        UnsupportedException error = new KohyaSample().Linear(Module).Tensor("lora_te_y.lora_A.weight", DType.F32, 4, 4).Fails<UnsupportedException>();
        Assert.Contains("'lora_te_y.lora_A.weight'", error.Message);
    }

    [Fact]
    public void Halves_strays_and_the_unknown_are_listed_together()
    {
        InvalidAdapterException error = new KohyaSample().Linear(Module).Tensor("a.lora_down.weight", DType.F32, 2, 2).Tensor("b.lora_up.weight", DType.F32, 2, 2)
            .Alpha("c", 1).Tensor("d.lora_mid.weight", DType.F32, 2, 2, 3, 3).Tensor("odd", DType.F32, 3).Fails<InvalidAdapterException>();
        foreach (string part in (string[])["5 of 7", "'a.lora_down.weight'", "has not lora_up", "'b.lora_up.weight'", "has not lora_down", "'c.alpha'", "'d.lora_mid.weight'", "'odd'"])
        {
            Assert.Contains(part, error.Message);
        }
    }

    [Fact]
    public void Alpha_that_is_no_finite_number_is_refused()
    {
        foreach (double alpha in (double[])[double.NaN, double.PositiveInfinity, double.NegativeInfinity])
        {
            Assert.Contains("finite", new KohyaSample().Linear(Module).Alpha(Module, alpha).Fails<InvalidAdapterException>().Message);
        }

        foreach (long[] shape in (long[][])[[2], [0], [1, 2], [1L << 40, 1L << 20]])
        {
            KohyaSample sample = new KohyaSample().Linear(Module).Bytes(Module + ".alpha", DType.F32, shape, []);
            Assert.Contains("expected one number", sample.Fails<InvalidAdapterException>().Message);
        }

        foreach (DType dtype in (DType[])[DType.Bool, DType.C64, DType.F8E8M0])
        {
            KohyaSample sample = new KohyaSample().Linear(Module).Bytes(Module + ".alpha", dtype, [], new byte[dtype.Bytes()]);
            Assert.Contains("expected a float or a whole number", sample.Fails<InvalidAdapterException>().Message);
        }
    }

    [Theory]
    [InlineData(new long[] { 2, 5, 3, 3 }, new long[] { 2, 2, 3, 3 }, "do not chain")]
    [InlineData(new long[] { 2, 5, 1, 1 }, new long[] { 2, 3, 3, 3 }, "do not chain")]
    [InlineData(new long[] { 2, 5, 1, 1 }, new long[] { 2, 2 }, "do not chain")]
    [InlineData(new long[] { 2, 5, 1, 1 }, new long[] { 3, 2, 3, 3 }, "do not chain")] // up has two columns
    [InlineData(new long[] { 2, 5, 1, 1 }, new long[] { 2, 2, 0, 3 }, "empty")]
    [InlineData(new long[] { 1, 65536, 1, 1 }, new long[] { 2, 1, 65536, 1 }, "more elements")]
    [InlineData(new long[] { 1, 1L << 40, 1, 1 }, new long[] { 2, 1, 1L << 40, 1 }, "more elements")]
    public void A_core_that_does_not_fit_is_refused(long[] down, long[] mid, string why)
    {
        KohyaSample sample = new KohyaSample().Bytes("m.lora_down.weight", DType.F32, down, []).Bytes("m.lora_mid.weight", DType.F32, mid, [])
            .Bytes("m.lora_up.weight", DType.F32, [7, 2, 1, 1], []);
        Assert.Contains(why, sample.Fails<InvalidAdapterException>().Message);
    }

    [Fact]
    public void Factors_that_do_not_chain_or_are_no_numbers_are_refused()
    {
        Assert.Contains("do not chain", new KohyaSample().Tensor("m.lora_down.weight", DType.F32, 2, 5).Tensor("m.lora_up.weight", DType.F32, 7, 3).Fails<InvalidAdapterException>().Message);
        Assert.Contains("I32", new KohyaSample().Tensor("m.lora_down.weight", DType.I32, 2, 5).Tensor("m.lora_up.weight", DType.F32, 7, 2).Fails<InvalidAdapterException>().Message);
        new KohyaSample().Tensor("m.lora_down.weight", DType.F32).Tensor("m.lora_up.weight", DType.F32, 7, 2).Fails<InvalidAdapterException>();
        new KohyaSample().Tensor("m.lora_down.weight", DType.F32, 0, 5).Tensor("m.lora_up.weight", DType.F32, 7, 0).Fails<InvalidAdapterException>();
    }

    private static void AssertMerges(string folder, string prefix)
    {
        using Adapter adapter = AdapterLayouts.Open(Path.Combine(folder, "adapter.safetensors"));
        using SafetensorsFile baseFile = SafetensorsFile.Open(Path.Combine(folder, "base.safetensors"));
        using SafetensorsFile merged = SafetensorsFile.Open(Path.Combine(folder, "merged.safetensors"));
        HashSet<AdapterDelta> used = [];
        foreach (TensorInfo info in baseFile.Tensors)
        {
            double[] values = new StoredTensor(baseFile, info).ToDoubles();
            foreach (AdapterDelta delta in adapter.Deltas.Where(d => d.Target.Path == prefix + Path.GetFileNameWithoutExtension(info.Name).Replace('.', '_') + Path.GetExtension(info.Name)))
            {
                NaiveMerge.Add(values, info.Shape, delta);
                used.Add(delta);
            }

            Assert.True(merged.TryGetTensor(info.Name, out TensorInfo? expectedInfo), info.Name);
            double[] expected = new StoredTensor(merged, expectedInfo).ToDoubles();
            double tolerance = 1e-5 * expected.Max(Math.Abs);
            for (int i = 0; i < expected.Length; i++)
            {
                Assert.True(Math.Abs(values[i] - expected[i]) <= tolerance, $"{info.Name}[{i}]: {values[i]} instead of {expected[i]}");
            }
        }

        Assert.Equal(adapter.Deltas.Count, used.Count);
    }
}
