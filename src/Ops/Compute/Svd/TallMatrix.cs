using System.Buffers;
using System.Numerics;

namespace LoraKit.Ops.Compute.Svd;

/// <summary>
/// A matrix in blocks of rows, each block in panels of eight columns, each panel [rows of the block, 8], row-major; columns are filled up with
/// zeros. What works on one block at a time so stays in the processor's cache.
/// </summary>
internal sealed class TallMatrix : IDisposable
{
    /// <summary>Rows of a block, where the matrix is not wider: two panels of so many rows fit into the first-level cache.</summary>
    private const int BlockRows = 256;

    /// <summary>Powers of two between which the squares of a column, and their sum, are far from the ends of F64's range.</summary>
    private const int SafeExponent = 200;

    private readonly int _blockRows;
    private double[]? _values;

    private TallMatrix(int rows, int columns)
    {
        (Rows, Columns) = (rows, columns);
        Stride = VectorLoops.Padded(columns);
        // The first block holds at least as many rows as there are columns.
        _blockRows = Math.Max(BlockRows, 2 * Stride);
        Blocks = Math.Max(1, rows / _blockRows);
        _values = ArrayPool<double>.Shared.Rent(checked(rows * Stride));
        Exponents = new int[Stride];
    }

    public int Rows { get; }

    public int Columns { get; }

    /// <summary>Columns with those that fill up the last panel.</summary>
    public int Stride { get; }

    public int Panels => Stride / VectorLoops.Width;

    public int Blocks { get; }

    /// <summary>Rows of the longest block.</summary>
    public int LongestBlock => Rows - Start(Blocks - 1);

    /// <summary>The panels; rented, so there may be more behind them.</summary>
    public double[] Values => _values ?? throw new ObjectDisposedException(nameof(ILowRankSvd));

    /// <summary>The column c of the matrix is 2^Exponents[c] times what is in <see cref="Values"/>; see <see cref="TameColumns"/>.</summary>
    public int[] Exponents { get; }

    /// <summary>The first row of a block; for the number of blocks, the end of the last.</summary>
    public int Start(int block) => block == Blocks ? Rows : block * _blockRows;

    /// <summary>Where a panel of a block begins in <see cref="Values"/>.</summary>
    public int Offset(int block, int panel) => (Start(block) * Stride) + ((Start(block + 1) - Start(block)) * VectorLoops.Width * panel);

    /// <summary>Gives <see cref="Values"/> back.</summary>
    public void Dispose()
    {
        if (_values is not null) ArrayPool<double>.Shared.Return(_values);
        _values = null;
    }

    /// <summary>Takes a matrix over whose element (i, c) is <paramref name="source"/>[i·rowStep + c·columnStep].</summary>
    public static TallMatrix Of<T>(ReadOnlySpan<T> source, int rows, int columns, int rowStep, int columnStep)
        where T : unmanaged, INumberBase<T>
    {
        TallMatrix matrix = new(rows, columns);
        for (int block = 0; block < matrix.Blocks; block++)
        {
            int first = matrix.Start(block);
            int count = matrix.Start(block + 1) - first;
            for (int panel = 0; panel < matrix.Panels; panel++)
            {
                int firstColumn = panel * VectorLoops.Width;
                int width = Math.Min(VectorLoops.Width, columns - firstColumn);
                Span<double> values = matrix.Values.AsSpan(matrix.Offset(block, panel), count * VectorLoops.Width);
                if (width < VectorLoops.Width) values.Clear();
                for (int i = 0; i < count; i++)
                {
                    int from = ((first + i) * rowStep) + (firstColumn * columnStep);
                    for (int c = 0; c < width; c++) values[(i * VectorLoops.Width) + c] = double.CreateTruncating(source[from + (c * columnStep)]);
                }
            }
        }

        return matrix;
    }

    /// <summary>An exact power of two is taken out of every column whose squares might leave the range of F64. No column of singles is such a one.</summary>
    public void TameColumns()
    {
        // Without their sign, bits of doubles are ordered as the magnitudes are.
        ulong[] largest = new ulong[Stride];
        EachPanel((values, panel) =>
        {
            Span<ulong> most = largest.AsSpan(panel * VectorLoops.Width, VectorLoops.Width);
            for (int i = 0; i < values.Length; i++)
            {
                ulong bits = BitConverter.DoubleToUInt64Bits(values[i]) & long.MaxValue;
                if (bits > most[i % VectorLoops.Width]) most[i % VectorLoops.Width] = bits;
            }
        });
        bool any = false;
        for (int c = 0; c < Stride; c++)
        {
            double most = BitConverter.UInt64BitsToDouble(largest[c]);
            int exponent = SvdRange.Exponent(most);
            if (Math.Abs(exponent) <= SafeExponent || !double.IsFinite(most)) continue;
            Exponents[c] = exponent;
            any = true;
        }

        if (!any) return;
        EachPanel((values, panel) =>
        {
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = Math.ScaleB(values[i], -Exponents[(panel * VectorLoops.Width) + (i % VectorLoops.Width)]);
            }
        });
    }

    private delegate void OnPanel(Span<double> values, int panel);

    private void EachPanel(OnPanel action)
    {
        for (int block = 0; block < Blocks; block++)
        {
            int count = Start(block + 1) - Start(block);
            for (int panel = 0; panel < Panels; panel++) action(Values.AsSpan(Offset(block, panel), count * VectorLoops.Width), panel);
        }
    }
}
