using LoraKit.Formats;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Diff;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Diff;

/// <summary>Checkpoints compared tensor by tensor, against naive loops.</summary>
public sealed class CheckpointDiffTests
{
    public static TheoryData<DType> Types => [DType.F64, DType.F32, DType.F16, DType.BF16, DType.F8E4M3, DType.F8E5M2];

    [Theory]
    [MemberData(nameof(Types))]
    public void Measures_are_those_of_naive_loops(DType dtype)
    {
        using TempFolder folder = new();
        Random random = new(5);
        double[] a = PeftFolder.Values(random, 37 * 53, dtype);
        double[] b = [.. a.Select((v, i) => i % 3 == 0 ? Merging.Rounded(v * (1 + (0.3 * random.NextDouble())), dtype) : v)];
        TensorDifference difference = Assert.Single(Run(folder, [new("w", dtype, [37, 53], a)], [new("w", dtype, [37, 53], b)], piece: 64).Tensors);

        double[] gaps = [.. a.Zip(b, (x, y) => Math.Abs(x - y))];
        Assert.Equal(DiffStatus.Different, difference.Status);
        Assert.Equal(gaps.Count(g => g > 0), difference.Differing);
        Assert.Equal(37 * 53, difference.Count);
        Assert.Equal(gaps.Max(), difference.MaxAbs);
        Assert.Equal(Norm(gaps) / Norm(a), difference.Relative!.Value, 1e-12);
        Assert.Equal(a.Zip(b, (x, y) => x * y).Sum() / (Norm(a) * Norm(b)), difference.Cosine!.Value, 1e-12);
        Assert.Equal(difference.Differing, difference.UlpHistogram.Values.Sum());
        if (dtype.Bytes() > 2) return;

        // Every value of the type in order: distances are differences of places.
        List<double> all = Values(dtype);
        ulong[] steps = [.. a.Zip(b, (x, y) => (ulong)Math.Abs(all.BinarySearch(x) - all.BinarySearch(y)))];
        Assert.Equal(steps.Max(), difference.MaxUlp);
        foreach ((ulong upTo, long count) in difference.UlpHistogram) Assert.Equal(steps.Count(s => s > upTo / 2 && s <= upTo), count);
    }

    [Fact]
    public void Steps_are_counted_in_wide_types_too()
    {
        using TempFolder folder = new();
        float up = 1;
        for (int i = 0; i < 1000; i++) up = MathF.BitIncrement(up);
        TensorDifference single = Assert.Single(
            Run(folder, [new("w", DType.F32, [3], [1, -float.Epsilon, 7])], [new("w", DType.F32, [3], [up, float.Epsilon, 7])]).Tensors);
        Assert.Equal(1000UL, single.MaxUlp);
        Assert.Equal([2UL, 1024UL], single.UlpHistogram.Keys);
        TensorDifference wide = Assert.Single(
            Run(folder, [new("w", DType.F64, [1], [double.MaxValue])], [new("w", DType.F64, [1], [double.MinValue])]).Tensors);
        Assert.Equal(2 * 0x7FEF_FFFF_FFFF_FFFFUL, wide.MaxUlp);
        Assert.Null(wide.Relative);
    }

    [Fact]
    public void What_is_alike_is_equal_even_where_it_is_NaN()
    {
        using TempFolder folder = new();
        TestTensor[] odd = [new("w", DType.F32, [4], [double.NaN, double.PositiveInfinity, -0.0, 3])];
        DiffReport report = Run(folder, odd, odd);
        Assert.True(report.Equal);
        Assert.True(report.IsWithin(0));
        Assert.Equal((0, 0.0, 0.0, 0UL), (report.Tensors[0].Differing, report.Tensors[0].MaxAbs, report.Tensors[0].Relative, report.Tensors[0].MaxUlp));
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void NaN_and_infinity_against_a_number_have_no_measure(double value)
    {
        using TempFolder folder = new();
        DiffReport report = Run(folder, [new("w", DType.F32, [2], [value, 1])], [new("w", DType.F32, [2], [2, 1])]);
        TensorDifference difference = Assert.Single(report.Tensors);
        Assert.Equal((DiffStatus.Different, 1), (difference.Status, difference.Differing));
        Assert.Null(difference.MaxAbs);
        Assert.Null(difference.Relative);
        Assert.Null(report.Relative);
        Assert.False(report.IsWithin(1e30));
        Assert.Equal(double.IsNaN(value), difference.MaxUlp is null);
    }

    [Fact]
    public void Zeros_of_two_signs_differ_by_nothing()
    {
        using TempFolder folder = new();
        DiffReport report = Run(folder, [new("w", DType.BF16, [2], [0.0, 1])], [new("w", DType.BF16, [2], [-0.0, 1])]);
        Assert.False(report.Equal);
        Assert.True(report.IsWithin(0));
        Assert.Equal((1, 0UL), (report.Tensors[0].Differing, report.Tensors[0].MaxUlp));
    }

    [Fact]
    public void Two_types_are_compared_as_numbers()
    {
        using TempFolder folder = new();
        double[] values = PeftFolder.Values(new Random(3), 37 * 53, DType.F32);
        double[] rounded = [.. values.Select(v => Merging.Rounded(v, DType.BF16))];
        DiffReport report = Run(folder, [new("w", DType.F32, [37, 53], values)], [new("w", DType.BF16, [37, 53], rounded)]);
        TensorDifference difference = Assert.Single(report.Tensors);
        Assert.Equal((DiffStatus.DType, "F32 and BF16"), (difference.Status, difference.Detail));
        Assert.Null(difference.MaxUlp);
        double[] gaps = [.. values.Zip(rounded, (x, y) => x - y)];
        Assert.Equal(Norm(gaps) / Norm(values), difference.Relative!.Value, 1e-12);
        Assert.True(report.IsWithin(0.004));
        Assert.False(report.IsWithin(0.0001));
        Assert.False(Run(folder, [new("w", DType.F32, [1], [1])], [new("w", DType.BF16, [1], [1])]).Equal);
    }

    [Fact]
    public void Structure_is_no_matter_of_tolerance()
    {
        using TempFolder folder = new();
        DiffReport report = Run(
            folder,
            [new("a", DType.F32, [2], [1, 2]), new("both", DType.F32, [2], [1, 2]), new("turned", DType.F32, [2, 1], [1, 2])],
            [new("b", DType.F32, [2], [1, 2]), new("both", DType.F32, [2], [1, 2]), new("turned", DType.F32, [1, 2], [1, 2])]);
        Assert.Equal(
            [("a", DiffStatus.OnlyInA), ("b", DiffStatus.OnlyInB), ("both", DiffStatus.Equal), ("turned", DiffStatus.Shape)],
            report.Tensors.Select(t => (t.Name, t.Status)).Order());
        Assert.Equal("[2, 1] and [1, 2]", report.Tensors.Single(t => t.Name == "turned").Detail);
        Assert.False(report.IsWithin(1e30));
        Assert.Equal(0, report.Relative);
    }

    [Theory]
    [InlineData(1, 8)]
    [InlineData(4, 8)]
    [InlineData(3, 1 << 17)]
    public void Shards_and_threads_change_nothing(int threads, int piece)
    {
        using TempFolder folder = new();
        Random random = new(9);
        TestTensor[] a = [.. Enumerable.Range(0, 5).Select(i => Merging.Random($"t{i}", DType.BF16, random, 37, 5))];
        TestTensor[] b = [.. a.Select(t => t with { Values = [.. t.Values.Select(v => Merging.Rounded(v * 1.01, DType.BF16))] })];
        SafetensorsBytes.Write(folder["a", "model.safetensors"], a);
        SafetensorsBytes.Write(folder["b", "x-1.safetensors"], b[..2]);
        SafetensorsBytes.Write(folder["b", "x-2.safetensors"], b[2..]);
        File.WriteAllText(
            folder["b", "model.safetensors.index.json"],
            "{\"weight_map\": {" + string.Join(", ", b.Select((t, i) => $"\"{t.Name}\": \"x-{(i < 2 ? 1 : 2)}.safetensors\"")) + "}}");
        DiffReport report = DiffReport.Run(new() { A = folder["a"], B = folder["b"], Threads = threads, PieceElements = piece });
        Assert.Equal(5, report.Tensors.Count(t => t.Status == DiffStatus.Different));
        double[] x = [.. a.SelectMany(t => t.Values)], y = [.. b.SelectMany(t => t.Values)];
        Assert.Equal(Norm([.. x.Zip(y, (p, q) => p - q)]) / Norm(x), report.Relative!.Value, 1e-12);
        Assert.Equal(x.Zip(y, (p, q) => Math.Abs(p - q)).Max(), report.MaxAbs);
        Assert.Equal(report.Relative, DiffReport.Run(new() { A = folder["a"], B = folder["b"], Threads = 2, PieceElements = piece }).Relative);
    }

    [Theory]
    [InlineData(4, 20)]
    [InlineData(6, 16)]
    [InlineData(64, 3)]
    public void Elements_without_numbers_are_compared_by_their_bits(int bits, int count)
    {
        byte[] a = new byte[bits * count / 8];
        for (int element = 0; element < count; element++)
        {
            byte[] b = [.. a];
            int bit = (element * bits) + (bits - 1);
            b[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Equal(1, Patterns.CountDiffering(a, b, bits, count));
        }

        Assert.Equal(0, Patterns.CountDiffering(a, [.. a], bits, count));
        Assert.Equal(count, Patterns.CountDiffering(a, [.. a.Select(v => (byte)~v)], bits, count));
    }

    [Fact]
    public void Integers_are_equal_or_not()
    {
        using TempFolder folder = new();
        Write(folder["a.safetensors"], DType.I64, [1, 2, 3]);
        Write(folder["b.safetensors"], DType.I64, [1, 9, 3]);
        DiffReport report = DiffReport.Run(new() { A = folder["a.safetensors"], B = folder["b.safetensors"] });
        Assert.Equal((DiffStatus.Different, 1L, 3L), (report.Tensors[0].Status, report.Tensors[0].Differing, report.Tensors[0].Count));
        Assert.False(report.IsWithin(1));
        Assert.True(DiffReport.Run(new() { A = folder["a.safetensors"], B = folder["a.safetensors"] }).Equal);
    }

    [Fact]
    public void Types_without_a_common_measure_are_within_no_tolerance()
    {
        using TempFolder folder = new();
        Write(folder["a.safetensors"], DType.I64, [1, 2, 3]);
        Write(folder["b.safetensors"], DType.U64, [1, 9, 3]);
        DiffReport report = DiffReport.Run(new() { A = folder["a.safetensors"], B = folder["b.safetensors"] });
        TensorDifference difference = Assert.Single(report.Tensors);
        Assert.Equal((DiffStatus.DType, 0L, null, null, null), (difference.Status, difference.Count, difference.MaxAbs, difference.Relative, difference.MaxUlp));
        Assert.False(report.IsWithin(1e30));
        Write(folder["a.safetensors"], DType.I64, []);
        Assert.True(DiffReport.Run(new() { A = folder["a.safetensors"], B = folder["a.safetensors"] }).IsWithin(0));
    }

    [Fact]
    public void What_cannot_be_compared_stops()
    {
        using TempFolder folder = new();
        string adapter = Paths.Fixture("peft", "lora-linear-f32", "adapter"), @base = Paths.Fixture("peft", "lora-linear-f32", "base");
        Assert.Throws<InvalidOptionException>(() => DiffReport.Run(new() { A = adapter, B = @base }));
        Assert.Throws<InputNotFoundException>(() => DiffReport.Run(new() { A = folder["none"], B = @base }));
        File.WriteAllBytes(folder["broken.safetensors"], new byte[100]);
        Assert.Throws<InvalidFileException>(() => DiffReport.Run(new() { A = @base, B = folder["broken.safetensors"] }));
        using CancellationTokenSource stop = new();
        stop.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => DiffReport.Run(new() { A = @base, B = @base }, cancellation: stop.Token));
    }

    private static DiffReport Run(TempFolder folder, TestTensor[] a, TestTensor[] b, int piece = 8)
    {
        SafetensorsBytes.Write(folder["a.safetensors"], a);
        SafetensorsBytes.Write(folder["b.safetensors"], b);
        return DiffReport.Run(new() { A = folder["a.safetensors"], B = folder["b.safetensors"], PieceElements = piece, Threads = 2 });
    }

    private static void Write(string path, DType dtype, long[] values)
    {
        SafetensorsHeader header = SafetensorsHeader.Plan([("w", dtype, new TensorShape(values.Length))], null);
        File.WriteAllBytes(path, [.. header.ToBytes(), .. values.SelectMany(BitConverter.GetBytes)]);
    }

    private static List<double> Values(DType dtype)
    {
        byte[] patterns = [.. Enumerable.Range(0, 1 << dtype.Bits()).SelectMany(p => BitConverter.GetBytes(p).Take(dtype.Bytes()))];
        double[] values = new double[1 << dtype.Bits()];
        FloatConvert.ToDoubles(dtype, patterns, values);
        return [.. values.Where(v => !double.IsNaN(v)).Distinct().Order()];
    }

    private static double Norm(double[] values) => Math.Sqrt(values.Sum(v => v * v));
}
