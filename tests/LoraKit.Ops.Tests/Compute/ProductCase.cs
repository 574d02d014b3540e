using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Compute;

/// <summary>A tile, a product, and what a right result may be.</summary>
internal sealed class ProductCase
{
    private readonly double[] _left;
    private readonly double[] _right;
    private readonly double[] _source;

    public ProductCase(int rows, int columns, int rank, DType sourceType, DType destinationType, bool doubles, int seed = 1)
    {
        (Rows, Columns, Rank, SourceType, DestinationType, IsDouble) = (rows, columns, rank, sourceType, destinationType, doubles);
        Random random = new(HashCode.Combine(0, rows, columns, rank) ^ seed);
        _source = Weights(random, rows * columns, FormatOf(sourceType));
        Source = new byte[_source.Length * sourceType.Bytes()];
        FloatConvert.FromDoubles(sourceType, _source, Source);
        FloatConvert.ToDoubles(sourceType, Source, _source);

        // A scale that is no power of two and negative is folded in, as a merge does.
        _left = Factors(random, rows * rank, -0.37);
        _right = Factors(random, rank * columns, 1);
        Product = doubles
            ? new LowRankProduct(rows, columns, rank, _left, _right)
            : new LowRankProduct(rows, columns, rank, Array.ConvertAll(_left, v => (float)v), Array.ConvertAll(_right, v => (float)v));
    }

    public int Rows { get; }

    public int Columns { get; }

    public int Rank { get; }

    public DType SourceType { get; }

    public DType DestinationType { get; }

    public bool IsDouble { get; }

    public byte[] Source { get; }

    public LowRankProduct Product { get; }

    public static Oracle.Format FormatOf(DType dtype) => dtype switch
    {
        DType.F16 => Oracle.Format.F16,
        DType.BF16 => Oracle.Format.BF16,
        DType.F8E4M3 => Oracle.Format.F8E4M3,
        DType.F8E5M2 => Oracle.Format.F8E5M2,
        DType.F32 => Oracle.Format.F32,
        DType.F64 => Oracle.Format.F64,
        _ => throw new ArgumentOutOfRangeException(nameof(dtype)),
    };

    public static ulong Pattern(byte[] bytes, DType dtype, int index)
    {
        int size = dtype.Bytes();
        ulong pattern = 0;
        for (int i = size - 1; i >= 0; i--)
        {
            pattern = (pattern << 8) | bytes[(index * size) + i];
        }

        return pattern;
    }

    /// <summary>The whole tensor, in tiles of so many rows.</summary>
    public byte[] Run(ICompute compute, int tileRows = int.MaxValue)
    {
        byte[] destination = new byte[Rows * Columns * DestinationType.Bytes()];
        using IPreparedProduct prepared = compute.Prepare(Product);
        for (int row = 0; row < Rows;)
        {
            int rows = Math.Min(tileRows, Rows - row);
            RunTile(compute, prepared, destination, row, rows);
            row += rows;
        }

        return destination;
    }

    public void RunTile(ICompute compute, IPreparedProduct prepared, Span<byte> destination, int row, int rows)
    {
        int sourceBytes = Columns * SourceType.Bytes();
        int destinationBytes = Columns * DestinationType.Bytes();
        Tile tile = new()
        {
            Source = Source.AsSpan(row * sourceBytes, rows * sourceBytes),
            SourceType = SourceType,
            Destination = destination.Slice(row * destinationBytes, rows * destinationBytes),
            DestinationType = DestinationType,
            Rows = rows,
            Columns = Columns,
        };
        compute.AddProduct(tile, prepared, row);
    }

    /// <summary>
    /// Holds every element against the oracle. A sum of r products in a type of precision p with fused multiply-adds, in any order, is
    /// off by at most γ·Σ|terms|, γ = r·2⁻ᵖ / (1 − r·2⁻ᵖ), and r halves of the smallest step; the result must be a rounding of some
    /// value that near. Where no tie is that near, this is the oracle's own rounding. A backend of another's making may round each
    /// product before it is summed, and the addition to the source in the precision of the sum: spec/compute.md, near-identical.
    /// </summary>
    public void AssertNearOracle(byte[] destination, ICompute compute)
    {
        bool exact = compute is SimdCompute;
        bool addsInSingles = !exact && !IsDouble && SourceType != DType.F64 && DestinationType != DType.F64;
        Oracle.Format format = FormatOf(DestinationType);
        double unit = Math.ScaleB(exact || Rank == 0 ? Rank : Rank + 1, IsDouble ? -53 : -24);
        (double[] values, double[] magnitudes) = Oracle.AddProduct(_source, _left, _right, Rows, Columns, Rank);
        for (int i = 0; i < values.Length; i++)
        {
            ulong actual = Pattern(destination, DestinationType, i);

            // The oracle's own rounding errors, in doubles, are allowed for too.
            double error = (unit / (1 - unit) * magnitudes[i]) + (IsDouble ? 0 : Rank * Math.ScaleB(1, -150))
                + (Math.ScaleB(Rank, -52) * magnitudes[i]) + (Rank == 0 ? 0 : Math.ScaleB(Math.Abs(values[i]), -52));
            if (addsInSingles && Rank > 0) error += Math.ScaleB(Math.Abs(values[i]) + error, -24);
            bool right;
            if (double.IsNaN(values[i]))
            {
                right = double.IsNaN(Oracle.Decode(format, actual));
            }
            else if (double.IsInfinity(values[i]) || Rank == 0)
            {
                right = actual == Oracle.Encode(format, values[i])
                    || (double.IsNaN(Oracle.Decode(format, actual)) && (actual & format.Overflow) == format.Overflow);
            }
            else
            {
                (double low, double high) = Oracle.RoundingInterval(format, actual);
                right = values[i] + error >= low && values[i] - error <= high;
            }

            if (!right)
            {
                Assert.Fail(
                    $"{SourceType}→{DestinationType} {Rows}×{Columns} rank {Rank} doubles {IsDouble}: element {i} is {actual:X} = "
                    + $"{Oracle.Decode(format, actual):R}, expected {values[i]:R} ± {error:R}");
            }
        }
    }

    /// <summary>Weights of a model, and now and then a value at the edge of what the type can say.</summary>
    private static double[] Weights(Random random, int count, Oracle.Format format)
    {
        double step = Oracle.Decode(format, 1);
        double largest = Oracle.Decode(format, format.Overflow - 1);
        double[] odd = [double.NaN, double.PositiveInfinity, double.NegativeInfinity, 0, -0.0, step, -3 * step, largest, -largest];
        double[] values = new double[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = random.Next(8) == 0 ? odd[random.Next(odd.Length)] : Normal(random) * 0.02;
        }

        return values;
    }

    private static double[] Factors(Random random, int count, double scale)
    {
        double[] values = new double[count];
        for (int i = 0; i < count; i++)
        {
            // Exact in both types, so that one oracle serves both.
            values[i] = (float)(Normal(random) * 0.05 * scale);
        }

        return values;
    }

    public static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
