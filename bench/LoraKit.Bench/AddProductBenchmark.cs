using BenchmarkDotNet.Attributes;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;

namespace LoraKit.Bench;

/// <summary>
/// The merge kernel on one core: a 4096 × 4096 weight, tiles of 512 rows, against a plain copy of the same bytes. Factors are packed
/// beforehand, files and threads are left out.
/// </summary>
[MemoryDiagnoser, MinColumn]
public class AddProductBenchmark
{
    private const int Size = 4096;
    private const int TileRows = 512;

    private byte[] _source = [];
    private byte[] _destination = [];
    private SimdCompute? _compute;
    private IPreparedProduct? _product;

    [Params(DType.BF16, DType.F16, DType.F32)]
    public DType Type { get; set; }

    [Params(4, 16, 64, 256)]
    public int Rank { get; set; }

    [ParamsSource(nameof(Widths))]
    public SimdWidth Width { get; set; }

    public static IEnumerable<SimdWidth> Widths => Enum.GetValues<SimdWidth>().Where(SimdCompute.IsSupported);

    [GlobalSetup]
    public void Setup()
    {
        Random random = new(1);
        _source = new byte[Size * Size * Type.Bytes()];
        _destination = new byte[_source.Length];
        FloatConvert.FromSingles(Type, Uniform(random, Size * Size, 0.04f), _source);
        _compute = new SimdCompute(Width);
        _product = _compute.Prepare(
            new LowRankProduct(Size, Size, Rank, Uniform(random, Size * Rank, 0.02f), Uniform(random, Rank * Size, 0.01f)));
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _product!.Dispose();
        _compute!.Dispose();
    }

    [Benchmark(Baseline = true)]
    public void Copy() => Buffer.BlockCopy(_source, 0, _destination, 0, _source.Length);

    [Benchmark]
    public void AddProduct()
    {
        int bytes = TileRows * Size * Type.Bytes();
        for (int row = 0; row < Size; row += TileRows)
        {
            int start = row / TileRows * bytes;
            _compute!.AddProduct(
                new Tile
                {
                    Source = _source.AsSpan(start, bytes),
                    SourceType = Type,
                    Destination = _destination.AsSpan(start, bytes),
                    DestinationType = Type,
                    Rows = TileRows,
                    Columns = Size,
                },
                _product!,
                row);
        }
    }

    private static float[] Uniform(Random random, int count, float range)
    {
        float[] values = new float[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = (random.NextSingle() - 0.5f) * range;
        }

        return values;
    }
}
