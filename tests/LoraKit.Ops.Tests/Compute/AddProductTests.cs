using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Tests.Compute;

/// <summary>What every backend must compute.</summary>
public sealed class AddProductTests
{
    private static readonly DType[] Types = [.. DTypes.All.Where(DTypes.IsMergeable)];
    private static readonly (int Rows, int Columns)[] Shapes = [(1, 1), (37, 53), (64, 64), (5, 1), (1, 129), (3, 0), (0, 7)];
    private static readonly int[] Ranks = [0, 1, 3, 16, 17, 70];

    public static TheoryData<string> Backends => ComputeBackends.Names;

    public static TheoryData<string> BackendsInOrder => ComputeBackends.InOrder;

    public static TheoryData<string, DType, DType> BackendsAndTypes
    {
        get
        {
            TheoryData<string, DType, DType> data = [];
            foreach (string backend in ComputeBackends.Names)
            {
                foreach (DType source in Types)
                {
                    foreach (DType destination in Types)
                    {
                        data.Add(backend, source, destination);
                    }
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(BackendsAndTypes))]
    public void Result_is_the_oracle_s_but_for_the_error_of_the_sum(string backend, DType source, DType destination)
    {
        using ICompute compute = ComputeBackends.Create(backend);
        foreach ((int rows, int columns) in Shapes)
        {
            foreach (int rank in Ranks)
            {
                foreach (bool doubles in new[] { false, true })
                {
                    ProductCase sample = new(rows, columns, rank, source, destination, doubles);
                    sample.AssertNearOracle(sample.Run(compute), compute);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void Large_tiles_are_right_too(string backend)
    {
        using ICompute compute = ComputeBackends.Create(backend);
        foreach (DType dtype in new[] { DType.BF16, DType.F16, DType.F32, DType.F64 })
        {
            ProductCase sample = new(300, 1000, 16, dtype, dtype, doubles: dtype == DType.F64);
            sample.AssertNearOracle(sample.Run(compute), compute);
        }
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void More_columns_and_rank_than_the_cache_holds(string backend)
    {
        using ICompute compute = ComputeBackends.Create(backend);
        ProductCase wide = new(6, 20_011, 17, DType.BF16, DType.BF16, doubles: false);
        wide.AssertNearOracle(wide.Run(compute), compute);
        ProductCase deep = new(9, 150, 3000, DType.BF16, DType.BF16, doubles: false);
        deep.AssertNearOracle(deep.Run(compute), compute);
    }

    [Theory]
    [MemberData(nameof(BackendsInOrder))]
    public void Rows_come_out_the_same_however_they_are_cut(string backend)
    {
        using ICompute compute = ComputeBackends.Create(backend);
        foreach (DType dtype in Types)
        {
            foreach (bool doubles in new[] { false, true })
            {
                ProductCase sample = new(41, 77, 19, dtype, dtype, doubles);
                byte[] whole = sample.Run(compute);
                foreach (int rows in new[] { 1, 2, 3, 4, 5, 7, 40 })
                {
                    Assert.Equal(whole, sample.Run(compute, rows));
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void Threads_share_a_product(string backend)
    {
        using ICompute compute = ComputeBackends.Create(backend);
        ProductCase sample = new(256, 333, 16, DType.BF16, DType.BF16, doubles: false);
        byte[] expected = sample.Run(compute, tileRows: 8);
        byte[] actual = new byte[expected.Length];
        using IPreparedProduct prepared = compute.Prepare(sample.Product);
        Parallel.For(0, 32, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i => sample.RunTile(compute, prepared, actual, i * 8, 8));
        Assert.Equal(expected, actual);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void Rank_0_keeps_every_pattern_of_the_same_type(string backend)
    {
        using ICompute compute = ComputeBackends.Create(backend);
        byte[] source = new byte[1 << 17];
        for (int i = 0; i < source.Length; i++)
        {
            source[i] = (byte)((i & 1) == 0 ? i >> 1 : i >> 9);
        }

        byte[] destination = new byte[source.Length];
        using IPreparedProduct prepared = compute.Prepare(new LowRankProduct(256, 256, 0, Array.Empty<float>(), []));
        foreach (DType dtype in new[] { DType.F16, DType.BF16 })
        {
            Array.Clear(destination);
            compute.AddProduct(MakeTile(source, destination, dtype, 256, 256), prepared, 0);
            Assert.Equal(source, destination);
        }
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void Tiles_and_products_that_disagree_are_refused(string backend)
    {
        using ICompute compute = ComputeBackends.Create(backend);
        IPreparedProduct prepared = compute.Prepare(new LowRankProduct(4, 3, 2, new float[8], new float[6]));
        byte[] source = new byte[24];
        byte[] destination = new byte[24];
        compute.AddProduct(MakeTile(source, destination, DType.BF16, 4, 3), prepared, 0);
        Assert.ThrowsAny<ArgumentException>(() => compute.AddProduct(MakeTile(source, destination, DType.BF16, 4, 3), prepared, 1));
        Assert.ThrowsAny<ArgumentException>(() => compute.AddProduct(MakeTile(source, destination, DType.BF16, 4, 3), prepared, -1));
        Assert.ThrowsAny<ArgumentException>(() => compute.AddProduct(MakeTile(source, destination, DType.BF16, 3, 4), prepared, 0));
        Assert.ThrowsAny<ArgumentException>(() => compute.AddProduct(MakeTile(source, destination[..23], DType.BF16, 4, 3), prepared, 0));
        Assert.ThrowsAny<ArgumentException>(() => compute.AddProduct(MakeTile(source[..22], destination, DType.BF16, 4, 3), prepared, 0));
        Assert.ThrowsAny<ArgumentException>(() => compute.AddProduct(MakeTile(source, destination, DType.I16, 4, 3), prepared, 0));
        prepared.Dispose();
        Assert.Throws<ObjectDisposedException>(() => compute.AddProduct(MakeTile(source, destination, DType.BF16, 4, 3), prepared, 0));
    }

    private static Tile MakeTile(byte[] source, byte[] destination, DType dtype, int rows, int columns) => new()
    {
        Source = source,
        SourceType = dtype,
        Destination = destination,
        DestinationType = dtype,
        Rows = rows,
        Columns = columns,
    };
}
