using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;

namespace LoraKit.Torch.Tests;

/// <summary>A tile and a product with known numbers, and the bounds that a right result keeps.</summary>
internal sealed class ProductCase
{
    private readonly DType _source;
    private readonly DType _destination;
    private readonly double[] _left;
    private readonly double[] _right;

    public ProductCase(int rows, int columns, int rank, DType source, DType destination, bool doubles = false, int seed = 1)
    {
        (Rows, Columns, Rank, _source, _destination) = (rows, columns, rank, source, destination);
        Random random = new(seed);
        Source = new byte[(long)rows * columns * source.Bytes()];
        random.NextBytes(Source);
        KeepModerate(source);
        _left = Values(rows * rank);
        _right = Values(rank * columns);
        Product = doubles
            ? new LowRankProduct(rows, columns, rank, _left, _right)
            : new LowRankProduct(rows, columns, rank, Array.ConvertAll(_left, v => (float)v), Array.ConvertAll(_right, v => (float)v));

        double[] Values(int count)
        {
            double[] values = new double[count];
            for (int i = 0; i < count; i++)
            {
                double value = (random.NextDouble() - 0.5) * 2;
                values[i] = doubles ? value : (float)value;
            }

            return values;
        }
    }

    public int Rows { get; }

    public int Columns { get; }

    public int Rank { get; }

    public byte[] Source { get; }

    public LowRankProduct Product { get; }

    /// <summary>Computes rows [first, first + count) into new bytes.</summary>
    public byte[] Compute(ICompute compute, IPreparedProduct prepared, int first = 0, int? count = null)
    {
        int rows = count ?? Rows - first;
        byte[] result = new byte[(long)rows * Columns * _destination.Bytes()];
        int stride = Columns * _source.Bytes();
        compute.AddProduct(
            new Tile
            {
                Source = Source.AsSpan(first * stride, rows * stride),
                SourceType = _source,
                Destination = result,
                DestinationType = _destination,
                Rows = rows,
                Columns = Columns,
            },
            prepared, first);
        return result;
    }

    /// <summary>
    /// Every element is the rounding of some number within the error bound of a sum of rank + 1 terms in the product's precision, in any
    /// order: γ(rank + 1) · Σ|l·r| for the product and one rounding for adding it to the element.
    /// </summary>
    public void Check(byte[] result, int first = 0)
    {
        double unit = Math.ScaleB(1, Product.IsDouble ? -53 : -24);
        double gamma = (Rank + 1) * unit / (1 - ((Rank + 1) * unit));
        int rows = result.Length / _destination.Bytes() / Columns;
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < Columns; column++)
            {
                double exact = 0;
                double size = 0;
                for (int k = 0; k < Rank; k++)
                {
                    double term = _left[((first + row) * Rank) + k] * _right[(k * Columns) + column];
                    exact += term;
                    size += Math.Abs(term);
                }

                int at = (row * Columns) + column;
                double element = Rounding.Value(Source.AsSpan(((first * Columns) + at) * _source.Bytes()), _source);
                // Twice: this sum in doubles has an error of its own, which counts where the product is in doubles.
                double bound = (2 * gamma * size) + (2 * unit * (Math.Abs(element) + size));
                double actual = Rounding.Value(result.AsSpan(at * _destination.Bytes()), _destination);
                double low = Rounding.Round(element + exact - bound, _destination);
                double high = Rounding.Round(element + exact + bound, _destination);
                Assert.True(
                    actual >= low && actual <= high, $"[{row}, {column}]: {element:R} + {exact:R} gave {actual:R}, not within [{low:R}, {high:R}]");
            }
        }
    }

    /// <summary>Random bits become finite numbers of a size that neither overflows nor drowns the product.</summary>
    private void KeepModerate(DType type)
    {
        int size = type.Bytes();
        for (int i = 0; i < Source.Length; i += size)
        {
            Span<byte> element = Source.AsSpan(i, size);
            if (!(Math.Abs(Rounding.Value(element, type)) is > 1e-4 and < 50))
            {
                // 1, 1.5, 1.25, … by the upper bits of each format.
                (byte high, byte low) = type switch
                {
                    DType.F16 => ((byte)0x3C, (byte)(i * 7)),
                    DType.BF16 or DType.F32 => ((byte)0x3F, (byte)(0x80 | (i & 0x7F))),
                    DType.F64 => ((byte)0x3F, (byte)(0xF0 | (i & 0x0F))),
                    _ => ((byte)0x38, (byte)0),
                };
                element[size - 1] = high;
                if (size > 1) element[size - 2] = low;
            }
        }
    }
}
