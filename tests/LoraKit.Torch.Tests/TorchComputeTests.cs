using System.Runtime.InteropServices;
using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Tests;
using LoraKit.Torch.Loading;
using TorchSharp;

namespace LoraKit.Torch.Tests;

public class TorchComputeTests
{
    private static readonly DType[] Stored = [DType.F16, DType.BF16, DType.F32, DType.F64, DType.F8E4M3, DType.F8E5M2];

    public static TheoryData<string, int, int, int> Shapes
    {
        get
        {
            TheoryData<string, int, int, int> data = [];
            foreach (string device in TestDevices.All)
            {
                foreach ((int rows, int columns, int rank) in new[]
                {
                    (1, 1, 1), (1, 7, 3), (5, 1, 2), (3, 17, 0), (8, 64, 4), (33, 65, 16), (64, 300, 64), (7, 129, 257), (40, 8192, 8), (3, 300_000, 2),
                })
                {
                    data.Add(device, rows, columns, rank);
                }
            }

            return data;
        }
    }

    public static TheoryData<string, DType, DType> Types => new(
        from device in TestDevices.All from source in Stored from destination in Stored select (device, source, destination));

    public static TheoryData<string> Devices => new(TestDevices.All);

    [Theory, MemberData(nameof(Shapes))]
    public void The_product_is_added_and_rounded_once(string device, int rows, int columns, int rank)
    {
        using TorchCompute compute = Create(device);
        ProductCase each = new(rows, columns, rank, DType.BF16, DType.BF16);
        using IPreparedProduct prepared = compute.Prepare(each.Product);

        each.Check(each.Compute(compute, prepared));

        Assert.Equal((rows, columns, rank), (prepared.Rows, prepared.Columns, prepared.Rank));
    }

    [Theory, MemberData(nameof(Types))]
    public void Every_type_goes_to_every_type(string device, DType source, DType destination)
    {
        using TorchCompute compute = Create(device);
        ProductCase each = new(9, 131, 12, source, destination);
        using IPreparedProduct prepared = compute.Prepare(each.Product);

        each.Check(each.Compute(compute, prepared));
    }

    [Theory, MemberData(nameof(Devices))]
    public void Doubles_are_summed_in_doubles(string device)
    {
        using TorchCompute compute = Create(device);
        ProductCase each = new(9, 131, 12, DType.F64, DType.F64, doubles: true);
        using IPreparedProduct prepared = compute.Prepare(each.Product);

        each.Check(each.Compute(compute, prepared));
    }

    [Theory, MemberData(nameof(Devices))]
    public void Rows_in_pieces_are_the_rows(string device)
    {
        using TorchCompute compute = Create(device);
        ProductCase each = new(50, 33, 5, DType.F32, DType.F16);
        using IPreparedProduct prepared = compute.Prepare(each.Product);
        foreach ((int first, int count) in new[] { (0, 1), (1, 20), (21, 29), (49, 1), (50, 0) })
        {
            each.Check(each.Compute(compute, prepared, first, count), first);
        }
    }

    [Theory, MemberData(nameof(Devices))]
    public void Bytes_at_any_address_give_the_same_bytes(string device)
    {
        using TorchCompute compute = Create(device);
        ProductCase each = new(4, 40, 3, DType.BF16, DType.BF16);
        using IPreparedProduct prepared = compute.Prepare(each.Product);
        byte[] expected = each.Compute(compute, prepared);

        byte[] source = [0, .. each.Source];
        byte[] destination = new byte[expected.Length + 1];
        compute.AddProduct(
            new Tile
            {
                Source = source.AsSpan(1),
                SourceType = DType.BF16,
                Destination = destination.AsSpan(1),
                DestinationType = DType.BF16,
                Rows = 4,
                Columns = 40,
            },
            prepared, 0);

        Assert.Equal(expected, destination[1..]);
    }

    [Theory, MemberData(nameof(Devices))]
    public void An_empty_sum_keeps_every_bit(string device)
    {
        using TorchCompute compute = Create(device);
        using IPreparedProduct prepared = compute.Prepare(new LowRankProduct(1, 4, 0, Array.Empty<float>(), []));
        ushort[] source = [0x8000, 0x7FC1, 0xFF80, 0x0001];
        ushort[] same = new ushort[4];
        float[] wider = new float[4];

        compute.AddProduct(Tile(MemoryMarshal.AsBytes(same.AsSpan()), DType.BF16), prepared, 0);
        compute.AddProduct(Tile(MemoryMarshal.AsBytes(wider.AsSpan()), DType.F32), prepared, 0);

        Assert.Equal(source, same);
        Assert.Equal([-0f, float.NaN, float.NegativeInfinity, BitConverter.UInt32BitsToSingle(0x10000)], wider);
        Assert.True(float.IsNegative(wider[0]));

        Tile Tile(Span<byte> destination, DType type) => new()
        {
            Source = MemoryMarshal.AsBytes(source.AsSpan()),
            SourceType = DType.BF16,
            Destination = destination,
            DestinationType = type,
            Rows = 1,
            Columns = 4,
        };
    }

    [Theory, MemberData(nameof(Devices))]
    public void Halfway_sums_go_to_even_and_large_ones_to_infinity(string device)
    {
        using TorchCompute compute = Create(device);
        // 1 + n/256 in BF16: halfway between neighbours where n is odd.
        using IPreparedProduct prepared = compute.Prepare(new LowRankProduct(1, 6, 1, [1f], [1f / 256, 3f / 256, 2f / 256, -1f / 512, 3e38f, float.NaN]));
        float[] source = [1f, 1f, 1f, 1f, 3e38f, 1f];
        byte[] result = new byte[12];

        compute.AddProduct(
            new Tile { Source = MemoryMarshal.AsBytes(source.AsSpan()), SourceType = DType.F32, Destination = result, DestinationType = DType.BF16, Rows = 1, Columns = 6 },
            prepared, 0);

        double[] values = [.. Enumerable.Range(0, 6).Select(i => Rounding.Value(result.AsSpan(2 * i), DType.BF16))];
        Assert.Equal([1.0, 1 + (2.0 / 128), 1 + (1.0 / 128), 1.0, double.PositiveInfinity, double.NaN], values);
    }

    [Theory, MemberData(nameof(Devices))]
    public void The_same_tile_gives_the_same_bytes_from_every_thread(string device)
    {
        using TorchCompute compute = Create(device);
        ProductCase each = new(300, 1000, 24, DType.BF16, DType.F32);
        using IPreparedProduct prepared = compute.Prepare(each.Product);
        byte[] expected = each.Compute(compute, prepared);
        each.Check(expected);

        byte[][] results = new byte[16][];
        Parallel.For(0, results.Length, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i =>
        {
            using IPreparedProduct own = compute.Prepare(each.Product);
            results[i] = each.Compute(compute, i % 2 == 0 ? prepared : own);
        });

        Assert.All(results, result => Assert.Equal(expected, result));
    }

    [Theory, MemberData(nameof(Devices))]
    public void Nothing_is_left_in_memory(string device)
    {
        using TorchCompute compute = Create(device);
        ProductCase each = new(256, 4096, 16, DType.BF16, DType.BF16);
        Run(3);
        ThreadDisposeScopeStatistics statistics = DisposeScopeManager.Statistics;
        long livingBefore = torch.Tensor.TotalCount;
        long outsideBefore = statistics.TensorStatistics.CreatedOutsideScopeCount;
        long memoryBefore = Environment.WorkingSet;

        Run(60);

        Assert.Equal(livingBefore, torch.Tensor.TotalCount);
        Assert.Equal(outsideBefore, statistics.TensorStatistics.CreatedOutsideScopeCount);
        // 60 rounds hold 4 MiB of sums each, and 4 MiB of results that the collector frees when it likes.
        GC.Collect();
        Assert.InRange(Environment.WorkingSet - memoryBefore, long.MinValue, 150 << 20);

        void Run(int rounds)
        {
            for (int i = 0; i < rounds; i++)
            {
                using IPreparedProduct prepared = compute.Prepare(each.Product);
                each.Compute(compute, prepared);
            }
        }
    }

    [Theory, MemberData(nameof(Devices))]
    public void A_decomposition_outlives_the_callers_scope_and_leaves_nothing(string device)
    {
        using TorchCompute compute = Create(device);
        LowRankProduct product = new(2, 3, 1, [3f, 4f], [0f, 2f, 0f]);
        LowRankProduct damaged = new(2, 3, 1, [3f, float.NaN], [0f, 2f, 0f]);
        compute.Decompose(product).Dispose();
        long livingBefore = torch.Tensor.TotalCount;
        ILowRankSvd svd;
        using (torch.NewDisposeScope())
        {
            svd = compute.Decompose(product);
            Assert.Throws<NonFiniteException>(() => compute.Decompose(damaged));
        }

        SingularVectors vectors = svd.Take(1);
        Assert.Equal(10, svd.SingularValues[0], 1e-14);
        double sign = Math.Sign(vectors.Left[0]);
        Assert.Equal([0.6, 0.8], vectors.Left.Select(v => Math.Round(v * sign, 14)));
        Assert.Equal([0, 1, 0], vectors.Right.Select(v => Math.Round(v * sign, 14)));
        svd.Dispose();
        Assert.Equal(livingBefore, torch.Tensor.TotalCount);
    }

    [Fact]
    public void A_callers_own_dispose_scope_does_not_take_the_factors()
    {
        using TorchCompute compute = Create("cpu");
        ProductCase each = new(4, 5, 2, DType.F32, DType.F32);
        IPreparedProduct prepared;
        using (torch.NewDisposeScope())
        {
            prepared = compute.Prepare(each.Product);
        }

        each.Check(each.Compute(compute, prepared));
        prepared.Dispose();
    }

    [Fact]
    public void The_number_of_threads_is_the_option()
    {
        using TorchCompute two = TorchCompute.Create(new TorchOptions { Device = "cpu", Threads = 2 });
        Assert.Equal(2, torch.get_num_threads());
        using TorchCompute one = TorchCompute.Create(new TorchOptions { Device = "cpu" });
        Assert.Equal(1, torch.get_num_threads());
        Assert.False(torch.backends.cuda.matmul.allow_tf32);
        Assert.False(torch.backends.cudnn.allow_tf32);
    }

    [Fact]
    public void What_does_not_fit_together_is_refused()
    {
        using TorchCompute compute = Create("cpu");
        using TorchCompute other = Create("cpu");
        ProductCase each = new(4, 5, 2, DType.F32, DType.F32);
        using IPreparedProduct prepared = compute.Prepare(each.Product);
        byte[] bytes = new byte[4 * 5 * 4];

        Assert.Throws<ArgumentException>(() => each.Compute(other, prepared));
        Assert.Throws<ArgumentOutOfRangeException>(() => compute.AddProduct(Tile(4, 5), prepared, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => compute.AddProduct(Tile(4, 5), prepared, -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => compute.AddProduct(Tile(5, 4), prepared, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => compute.AddProduct(Tile(3, 5), prepared, 0));
        Assert.Throws<ArgumentException>(() => compute.AddProduct(Tile(4, 5, DType.I32), prepared, 0));
        prepared.Dispose();
        Assert.Throws<ObjectDisposedException>(() => compute.AddProduct(Tile(4, 5), prepared, 0));

        Tile Tile(int rows, int columns, DType type = DType.F32) => new()
        {
            Source = bytes,
            SourceType = type,
            Destination = bytes,
            DestinationType = DType.F32,
            Rows = rows,
            Columns = columns,
        };
    }

    [Theory]
    [InlineData("gpu")]
    [InlineData("cuda:")]
    [InlineData("cuda:-1")]
    [InlineData("cuda:1x")]
    [InlineData("CPU")]
    [InlineData("")]
    public void An_unknown_device_is_refused(string device)
    {
        string said = Assert.Throws<InvalidOptionException>(() => Create(device)).Message;

        Assert.Contains($"'{device}'", said);
        Assert.Contains("auto, cpu, cuda or cuda:N", said);
    }

    [Fact]
    public void No_threads_are_refused() =>
        Assert.Throws<InvalidOptionException>(() => TorchCompute.Create(new TorchOptions { Device = "cpu", Threads = 0 }));

    [Fact]
    public void Without_CUDA_the_message_says_what_was_tried()
    {
        LibTorchReport report = LibTorchReport.Create(new TorchOptions());
        Assert.SkipWhen(report.CudaAvailable, "CUDA is there");

        string said = Assert.Throws<BackendUnavailableException>(() => Create("cuda:3")).Message;

        Assert.Contains("device cuda:3 cannot be had", said);
        Assert.Contains(report.Directory!, said);
        Assert.Contains(TorchVersions.LibTorch, said);
        Assert.Contains("without CUDA", said);
        Assert.DoesNotContain('\n', said);
        using TorchCompute automatic = Create("auto");
        Assert.Equal("torch-cpu", automatic.Name);
    }

    [Theory]
    [InlineData("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.\nframe #0", "--memory")]
    [InlineData("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has\nmore", "--memory")]
    [InlineData("CUDA error: an illegal memory access was encountered\nCUDA kernel errors", "--device cpu")]
    public void Known_failures_are_explained_on_one_line(string said, string advice)
    {
        BackendUnavailableException? explained = TorchFailure.Explain(new ExternalException(said), "torch-cuda:0");

        Assert.Contains("torch-cuda:0", explained!.Message);
        Assert.Contains(advice, explained.Message);
        Assert.DoesNotContain('\n', explained.Message);
    }

    [Fact]
    public void A_bug_is_not_explained_away() =>
        Assert.Null(TorchFailure.Explain(new ExternalException("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"), "torch-cpu"));

    private static TorchCompute Create(string device) => TorchCompute.Create(new TorchOptions { Device = device });
}
