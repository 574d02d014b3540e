using System.Runtime.Intrinsics;

namespace LoraKit.Formats.Adapters.Orthogonal;

/// <summary>A block-diagonal matrix of square blocks of one size; one block alone stands for all.</summary>
/// <param name="blocks">The blocks, row-major, one after the other.</param>
/// <param name="size">Rows and columns of a block.</param>
internal sealed class BlockDiagonal(double[] blocks, int size)
{
    private const int RowsAtOnce = 4;

    private readonly int _count = blocks.Length / (size * size);

    /// <summary>
    /// result = rows · B, for rows as long as the blocks together are wide. Each element is summed from 0 in the order of its terms, every
    /// product and sum rounded by itself, so the bits depend neither on the width nor on how many rows there are.
    /// </summary>
    /// <param name="rows">Rows, one after the other.</param>
    /// <param name="columns">The length of a row.</param>
    /// <param name="result">As many values.</param>
    public unsafe void Multiply(ReadOnlySpan<double> rows, int columns, Span<double> result)
    {
        int count = rows.Length / columns;
        result = result[..(count * columns)];
        fixed (double* from = rows, to = result, matrices = blocks)
        {
            for (int first = 0; first < columns; first += size)
            {
                double* block = matrices + (_count == 1 ? 0 : (nint)first * size);
                for (int row = 0; row < count; row += RowsAtOnce)
                {
                    // Where fewer are left, the last is made more than once.
                    nint one = (nint)columns * (Math.Min(row + 1, count - 1) - row);
                    nint two = (nint)columns * (Math.Min(row + 2, count - 1) - row);
                    nint three = (nint)columns * (Math.Min(row + 3, count - 1) - row);
                    nint start = ((nint)row * columns) + first;
                    MultiplyFour(from + start, to + start, one, two, three, block, size);
                }
            }
        }
    }

    /// <summary>One block, four rows at distances from the first: eight columns, four, or one at a time, the sums in registers.</summary>
    private static unsafe void MultiplyFour(double* x, double* y, nint one, nint two, nint three, double* block, int size)
    {
        int column = 0;
        for (; column <= size - 8; column += 8)
        {
            Vector256<double> a0 = default, b0 = default, c0 = default, d0 = default, a1 = default, b1 = default, c1 = default, d1 = default;
            double* line = block + column;
            for (int j = 0; j < size; j++, line += size)
            {
                Vector256<double> left = Vector256.Load(line), right = Vector256.Load(line + 4);
                Vector256<double> factor = Vector256.Create(x[j]);
                a0 += left * factor;
                a1 += right * factor;
                factor = Vector256.Create(x[one + j]);
                b0 += left * factor;
                b1 += right * factor;
                factor = Vector256.Create(x[two + j]);
                c0 += left * factor;
                c1 += right * factor;
                factor = Vector256.Create(x[three + j]);
                d0 += left * factor;
                d1 += right * factor;
            }

            a0.Store(y + column);
            a1.Store(y + column + 4);
            b0.Store(y + one + column);
            b1.Store(y + one + column + 4);
            c0.Store(y + two + column);
            c1.Store(y + two + column + 4);
            d0.Store(y + three + column);
            d1.Store(y + three + column + 4);
        }

        for (; column <= size - 4; column += 4)
        {
            Vector256<double> a = default, b = default, c = default, d = default;
            double* line = block + column;
            for (int j = 0; j < size; j++, line += size)
            {
                Vector256<double> values = Vector256.Load(line);
                a += values * x[j];
                b += values * x[one + j];
                c += values * x[two + j];
                d += values * x[three + j];
            }

            a.Store(y + column);
            b.Store(y + one + column);
            c.Store(y + two + column);
            d.Store(y + three + column);
        }

        for (; column < size; column++)
        {
            (double a, double b, double c, double d) = (0, 0, 0, 0);
            for (int j = 0; j < size; j++)
            {
                double value = block[(j * size) + column];
                a += value * x[j];
                b += value * x[one + j];
                c += value * x[two + j];
                d += value * x[three + j];
            }

            (y[column], y[one + column], y[two + column], y[three + column]) = (a, b, c, d);
        }
    }
}
