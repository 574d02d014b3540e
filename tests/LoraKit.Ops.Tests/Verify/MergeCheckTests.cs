using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Merge;
using LoraKit.Ops.Tests.Compute;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Ops.Verify;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Verify;

/// <summary>Whether a checkpoint is base + adapters: merges of all kinds are, whatever else is not.</summary>
public sealed class MergeCheckTests
{
    private const int Rank = 5;

    public static TheoryData<string> Fixtures =>
        [.. Directory.GetDirectories(Paths.Fixture("peft")).Where(f => File.Exists(Path.Combine(f, "merged.safetensors"))).Select(f => Path.GetFileName(f))];

    public static TheoryData<DType> Types => [DType.F64, DType.F32, DType.F16, DType.BF16, DType.F8E4M3, DType.F8E5M2];

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void PEFTs_own_merges_pass(string name)
    {
        string @base = Paths.Fixture("peft", name, "base"), adapter = Paths.Fixture("peft", name, "adapter");
        Verification result = Verification.Run(Options(Paths.Fixture("peft", name, "merged.safetensors"), @base, adapter));
        Assert.Empty(result.Findings);
        Assert.NotNull(result.WrongElements);
        Assert.True(result.CheckedElements > 0);

        // The base itself, which nobody merged anything into.
        Verification unmerged = Verification.Run(Options(@base, @base, adapter));
        Assert.NotEmpty(unmerged.Findings);
        Assert.All(unmerged.Findings, f => Assert.Contains(f.Code, (string[])["not_the_merge", "missing_tensor", "shape"]));
    }

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void Our_merges_pass_and_are_rounded_once(string name)
    {
        using TempFolder folder = new();
        string @base = Paths.Fixture("peft", name, "base"), adapter = Paths.Fixture("peft", name, "adapter");
        Merging.Run(Merging.Options(@base, adapter, folder["out"]));
        Verification result = Verification.Run(Options(folder["out"], @base, adapter));
        Assert.Empty(result.Findings);
        if (name is "lora-linear-bf16" or "lora-linear-f16") Assert.Equal(0, result.WrongElements);
    }

    // The oracle: each element W + s·ΣBA in naive doubles, rounded; then some elements are moved by known steps.
    [Theory]
    [MemberData(nameof(Types))]
    public void Wrong_elements_are_counted_by_their_distance(DType dtype)
    {
        using TempFolder folder = new();
        (double[] exact, string @base, string adapter) = Case(folder, dtype);
        double[] right = [.. exact.Select(v => Merging.Rounded(v, dtype))];
        Verification result = Written(folder, @base, adapter, dtype, right);
        Assert.Empty(result.Findings);
        Assert.Equal((0L, 0UL, (37L * 53) + 3), (result.WrongElements, result.MaxUlp, result.CheckedElements));

        // Seven by one step, to the other neighbour of the exact value: another order of rounding may have done that.
        double[] moved = [.. right];
        int[] chosen = [.. Enumerable.Range(0, right.Length).Where(i => Math.Abs(right[i]) > 0.1).Take(7)];
        foreach (int i in chosen) moved[i] = Step(right[i], dtype, Math.Abs(right[i]) < Math.Abs(exact[i]) ? 1 : -1);
        result = Written(folder, @base, adapter, dtype, moved);
        Assert.Equal((7L, 1UL), (result.WrongElements, result.MaxUlp));
        Assert.Empty(result.Findings);

        // One that is the wrong number altogether.
        int victim = Array.FindIndex(right, v => Math.Abs(v) > 1);
        moved[victim] = -right[victim];
        result = Written(folder, @base, adapter, dtype, moved);
        VerifyFinding finding = Assert.Single(result.Findings);
        Assert.Equal(("not_the_merge", "m.weight"), (finding.Code, finding.Tensor));
        Assert.Contains($"the first at {victim} ", finding.Message);
    }

    [Theory]
    [InlineData(DType.BF16, 0.02, 0.9)]
    [InlineData(DType.BF16, 0.02, 0)]
    [InlineData(DType.BF16, 0.001, 0.5)]
    [InlineData(DType.F16, 0.001, 0.8)]
    [InlineData(DType.F32, 0.001, 0.99)]
    [InlineData(DType.F32, 0.001, -1)]
    public void Another_weight_is_found_out_even_below_an_ulp(DType dtype, double size, double weight)
    {
        using TempFolder folder = new();
        (_, string @base, string adapter) = Case(folder, dtype, size);
        Merging.Run(new MergeOptions { Base = @base, Adapters = [new(adapter, weight)], Output = folder["out"], Flush = false });
        Assert.Equal("not_the_merge", Assert.Single(Verification.Run(Options(folder["out"], @base, adapter)).Findings).Code);
        Assert.Empty(Verification.Run(Options(folder["out"], @base, adapter) with { Adapters = [new(adapter, weight)] }).Findings);
    }

    // What PEFT does with 16-bit adapters on the CPU: the update is rounded before it is added.
    [Theory]
    [InlineData(0.001)]
    [InlineData(0.02)]
    [InlineData(1)]
    public void An_update_that_was_rounded_first_passes(double size)
    {
        using TempFolder folder = new();
        (double[] exact, string @base, string adapter) = Case(folder, DType.BF16, size);
        double[] old = SafetensorsBytes.Read(Path.Combine(@base, "model.safetensors"))["m.weight"].Values;
        double[] twice = [.. exact.Zip(old, (e, w) => Merging.Rounded(w + Merging.Rounded(e - w, DType.BF16), DType.BF16))];
        Verification result = Written(folder, @base, adapter, DType.BF16, twice);
        Assert.Empty(result.Findings);
        Assert.True(size < 0.02 || result.WrongElements > 0);
    }

    [Fact]
    public void Untouched_tensors_are_the_bases_bit_for_bit()
    {
        using TempFolder folder = new();
        (double[] exact, string @base, string adapter) = Case(folder, DType.F32);
        double[] right = [.. exact.Select(v => Merging.Rounded(v, DType.F32))];
        Verification result = Written(folder, @base, adapter, DType.F32, right, norm: [1, 2, -0.0]);
        VerifyFinding finding = Assert.Single(result.Findings);
        Assert.Equal(("not_the_base", "norm.weight"), (finding.Code, finding.Tensor));
        Assert.Equal(1, result.WrongElements);
    }

    [Theory]
    [InlineData(-0.0, 0UL)]
    [InlineData(1e-45, 1UL)]
    [InlineData(-6e-45, 4UL)]
    [InlineData(double.NaN, null)]
    public void Untouched_elements_are_as_far_off_as_their_values_are(double found, ulong? distance)
    {
        using TempFolder folder = new();
        (double[] exact, string @base, string adapter) = Case(folder, DType.F32);
        double[] right = [.. exact.Select(v => Merging.Rounded(v, DType.F32))];
        Verification result = Written(folder, @base, adapter, DType.F32, right, norm: [1, 2, found]);
        Assert.Equal((1L, distance), (result.WrongElements, result.MaxUlp));
    }

    [Fact]
    public void Tensors_are_neither_missing_nor_new()
    {
        using TempFolder folder = new();
        (double[] exact, string @base, string adapter) = Case(folder, DType.F32);
        SafetensorsBytes.Write(
            folder["m.safetensors"], new TestTensor("m.weight", DType.F32, [53, 37], exact), new TestTensor("other", DType.F32, [1], [1]));
        Assert.Equal(
            [("missing_tensor", "norm.weight"), ("shape", "m.weight"), ("unexpected_tensor", "other")],
            Verification.Run(Options(folder["m.safetensors"], @base, adapter)).Findings.Select(f => (f.Code, f.Tensor)).Order());
    }

    [Theory]
    [InlineData(DType.BF16)]
    [InlineData(DType.F16)]
    public void A_merge_to_another_type_passes(DType type)
    {
        using TempFolder folder = new();
        (_, string @base, string adapter) = Case(folder, DType.F32);
        Merging.Run(Merging.Options(@base, adapter, folder["out"]) with { OutputType = type });
        Assert.Empty(Verification.Run(Options(folder["out"], @base, adapter)).Findings);
        Assert.NotEmpty(Verification.Run(Options(@base, @base, adapter)).Findings);
    }

    [Fact]
    public void Several_adapters_weights_rows_and_replacements()
    {
        using TempFolder folder = new();
        string tokens = Paths.Fixture("peft", "lora-tokens", "adapter"), head = Paths.Fixture("peft", "lora-modules-to-save", "adapter");
        string @base = Paths.Fixture("peft", "lora-tokens", "base");
        AdapterInput[] adapters = [new(tokens, 0.7), new(head, -0.4)];
        Merging.Run(new MergeOptions { Base = @base, Adapters = adapters, Output = folder["out"], Flush = false });
        Verification result = Verification.Run(Options(folder["out"], @base, tokens) with { Adapters = adapters });
        Assert.Empty(result.Findings);
        Assert.NotEmpty(Verification.Run(Options(folder["out"], @base, tokens) with { Adapters = [adapters[0]] }).Findings);
        Assert.NotEmpty(Verification.Run(Options(folder["out"], @base, tokens) with { Adapters = [new(tokens, 0.7), new(head, -0.5)] }).Findings);
    }

    [Theory]
    [InlineData(1, 8)]
    [InlineData(4, 1000)]
    public void Tiles_and_threads_change_nothing(int threads, int tile)
    {
        using TempFolder folder = new();
        string @base = Paths.Fixture("peft", "lora-linear-f32", "base"), adapter = Paths.Fixture("peft", "lora-linear-f32", "adapter");
        string merged = Paths.Fixture("peft", "lora-linear-f32", "merged.safetensors");
        Verification one = Verification.Run(Options(merged, @base, adapter));
        Verification other = Verification.Run(Options(merged, @base, adapter) with { Threads = threads, TileElements = tile });
        Assert.True(one.WrongElements > 0);
        Assert.Equal((one.WrongElements, one.MaxUlp, one.CheckedElements), (other.WrongElements, other.MaxUlp, other.CheckedElements));
    }

    [Theory]
    [MemberData(nameof(ComputeBackends.Names), MemberType = typeof(ComputeBackends))]
    public void Merges_of_every_backend_pass(string backend)
    {
        using TempFolder folder = new();
        using ICompute compute = ComputeBackends.Create(backend);
        (_, string @base, string adapter) = Case(folder, DType.BF16, 0.02);
        Merging.Run(Merging.Options(@base, adapter, folder["out"]), compute);
        Assert.Empty(Verification.Run(Options(folder["out"], @base, adapter)).Findings);
    }

    [Fact]
    public void What_makes_no_sense_is_refused()
    {
        using TempFolder folder = new();
        (_, string @base, string adapter) = Case(folder, DType.F32);
        Assert.Throws<InvalidOptionException>(() => Verification.Run(new(@base) { Base = @base }));
        Assert.Throws<InvalidOptionException>(() => Verification.Run(new(@base) { Adapters = [new(adapter)] }));
        Assert.Throws<InvalidOptionException>(() => Verification.Run(Options(adapter, @base, adapter)));
        Assert.Throws<InvalidOptionException>(() => Verification.Run(Options(@base, @base, adapter) with { Adapters = [new(adapter, double.NaN)] }));
        Assert.Throws<TargetMismatchException>(() => Verification.Run(Options(@base, Paths.Fixture("peft", "lora-linear-f32", "base"), adapter)));
    }

    [Fact]
    public void A_broken_model_is_a_finding_and_no_more()
    {
        using TempFolder folder = new();
        (_, string @base, string adapter) = Case(folder, DType.F32);
        File.WriteAllBytes(folder["m.safetensors"], new byte[50]);
        Assert.Equal("invalid_file", Assert.Single(Verification.Run(Options(folder["m.safetensors"], @base, adapter)).Findings).Code);
    }

    /// <summary>A base m.weight [37, 53] and norm.weight, an adapter whose update is about <paramref name="size"/> of it, and their sum in naive doubles.</summary>
    private static (double[] Exact, string Base, string Adapter) Case(TempFolder folder, DType dtype, double size = 1)
    {
        Random random = new(17);
        TestTensor weight = new("m.weight", dtype, [37, 53], [.. PeftFolder.Values(random, 37 * 53, DType.F32).Select(v => Merging.Rounded(3 * v, dtype))]);
        SafetensorsBytes.Write(folder["base", "model.safetensors"], weight, new TestTensor("norm.weight", DType.F32, [3], [1, 2, 0.0]));
        PeftFolder adapter = new(folder["adapter"], Rank, 1.5 * Rank * size);
        (double[] down, double[] up) = adapter.Linear("m", 37, 53, random);
        double[] exact = Oracle.AddProduct(weight.Values, [.. up.Select(v => v * adapter.Scale)], down, 37, 53, Rank).Values;
        return (exact, folder["base"], adapter.Save());
    }

    private static Verification Written(TempFolder folder, string @base, string adapter, DType dtype, double[] values, double[]? norm = null)
    {
        SafetensorsBytes.Write(
            folder["m.safetensors"], new TestTensor("m.weight", dtype, [37, 53], values), new TestTensor("norm.weight", DType.F32, [3], norm ?? [1, 2, 0.0]));
        return Verification.Run(Options(folder["m.safetensors"], @base, adapter));
    }

    private static VerifyOptions Options(string path, string @base, string adapter) => new(path) { Base = @base, Adapters = [new(adapter)], TileElements = 256 };

    private static double Step(double value, DType dtype, int steps)
    {
        byte[] bytes = new byte[8];
        FloatConvert.FromDoubles(dtype, [value], bytes.AsSpan(0, dtype.Bytes()));
        BitConverter.TryWriteBytes(bytes, BitConverter.ToInt64(bytes) + steps);
        double[] next = new double[1];
        FloatConvert.ToDoubles(dtype, bytes.AsSpan(0, dtype.Bytes()), next);
        return next[0];
    }
}
