namespace LoraKit.Ops.Compute.Svd;

/// <summary>
/// X·W = P·diag(σ) of a small matrix by one-sided Jacobi rotations: pairs of columns are turned until all are orthogonal to each other, relative
/// to their own lengths. P and W are orthonormal also where σ is zero.
/// </summary>
internal sealed unsafe class JacobiSvd
{
    /// <summary>Convergence is quadratic, six to ten rounds; the bound is for values that are not numbers.</summary>
    private const int MostSweeps = 60;

    /// <summary>Squares of lengths below this, where the longest is about 1, count as zero.</summary>
    private const double Negligible = 1e-270;

    /// <summary>Columns that are turned among each other at a time should stay in the second-level cache.</summary>
    private const int GroupBytes = 256 << 10;

    private readonly VectorLoops _loops;
    private readonly int _length;
    private readonly int _count;
    private readonly int _stride;

    /// <summary>Columns one after the other: a column of X, then one of W, each filled up to a multiple of eight.</summary>
    private readonly double[] _columns;

    /// <param name="columns">X as its columns, [count, length] row-major; the largest element is about 1.</param>
    /// <param name="length">Length of a column, at least <paramref name="count"/>.</param>
    /// <param name="count">How many columns.</param>
    /// <param name="loops">What computes.</param>
    public JacobiSvd(double[] columns, int length, int count, VectorLoops loops)
    {
        (_length, _count, _loops) = (length, count, loops);
        int padded = VectorLoops.Padded(length);
        _stride = padded + VectorLoops.Padded(count);
        _columns = new double[checked(count * _stride)];
        double[] lengths = [.. Enumerable.Range(0, count).Select(j => SquaredLength(columns.AsSpan(j * length, length)))];
        int[] order = Descending(lengths);
        for (int j = 0; j < count; j++)
        {
            columns.AsSpan(order[j] * length, length).CopyTo(_columns.AsSpan(j * _stride));
            _columns[(j * _stride) + padded + order[j]] = 1;
        }

        Sweep(padded);
        double[] norms = [.. Enumerable.Range(0, count).Select(j => SquaredLength(_columns.AsSpan(j * _stride, length)))];
        order = Descending(norms);
        SingularValues = [.. order.Select(j => norms[j] < Negligible ? 0 : Math.Sqrt(norms[j]))];
        Left = new double[length * count];
        Right = new double[count * count];
        int rank = SingularValues.Count(s => s > 0);
        for (int j = 0; j < count; j++)
        {
            ReadOnlySpan<double> column = _columns.AsSpan(order[j] * _stride, _stride);
            for (int i = 0; i < length && j < rank; i++) Left[(i * count) + j] = column[i] / SingularValues[j];
            for (int i = 0; i < count; i++) Right[(i * count) + j] = column[padded + i];
        }

        if (rank < count) Complete(rank);
    }

    /// <summary>Rounds that were needed.</summary>
    public int Sweeps { get; private set; }

    /// <summary>σ, descending.</summary>
    public double[] SingularValues { get; }

    /// <summary>P [length, count], row-major.</summary>
    public double[] Left { get; }

    /// <summary>W [count, count], row-major.</summary>
    public double[] Right { get; }

    private void Sweep(int padded)
    {
        double tolerance = Math.Sqrt(_length) * 2.2e-16;
        int group = Math.Max(4, GroupBytes / 2 / sizeof(double) / Math.Max(1, _stride));
        bool turned = true;
        fixed (double* columns = _columns)
        {
            for (; turned && Sweeps < MostSweeps; Sweeps++)
            {
                turned = false;
                for (int first = 0; first < _count; first += group)
                {
                    for (int second = first; second < _count; second += group)
                    {
                        for (int i = first; i < Math.Min(first + group, _count); i++)
                        {
                            for (int j = Math.Max(i + 1, second); j < Math.Min(second + group, _count); j++)
                            {
                                turned |= Turn(columns + (i * _stride), columns + (j * _stride), padded, tolerance);
                            }
                        }
                    }
                }
            }
        }
    }

    /// <summary>Makes two columns orthogonal; false where they are.</summary>
    private bool Turn(double* x, double* y, int padded, double tolerance)
    {
        (double xx, double xy, double yy) = _loops.Dots(x, y, padded);
        if (xx < Negligible || yy < Negligible || Math.Abs(xy) <= tolerance * Math.Sqrt(xx) * Math.Sqrt(yy)) return false;
        double zeta = (yy - xx) / (2 * xy);
        // Where the angle is small the square would leave the range.
        double tangent = Math.Abs(zeta) > 1e8 ? 0.5 / zeta : Math.CopySign(1, zeta) / (Math.Abs(zeta) + Math.Sqrt(1 + (zeta * zeta)));
        double cosine = 1 / Math.Sqrt(1 + (tangent * tangent));
        _loops.Rotate(x, y, _stride, cosine, cosine * tangent);
        return true;
    }

    /// <summary>Columns of P that belong to zeros: of the Q of those that do not, followed by zeros.</summary>
    private void Complete(int rank)
    {
        using ThinQr qr = new(TallMatrix.Of<double>(Left, _length, _count, _count, 1), _loops);
        double[] unit = new double[_count * (_count - rank)];
        for (int j = rank; j < _count; j++) unit[(j * (_count - rank)) + j - rank] = 1;
        double[] rest = qr.Multiply(unit, _count - rank, _count - rank);
        for (int i = 0; i < _length; i++) rest.AsSpan(i * (_count - rank), _count - rank).CopyTo(Left.AsSpan((i * _count) + rank));
    }

    private static double SquaredLength(ReadOnlySpan<double> values)
    {
        double sum = 0;
        foreach (double value in values) sum += value * value;
        return sum;
    }

    private static int[] Descending(double[] values) => [.. Enumerable.Range(0, values.Length).OrderByDescending(j => values[j])];
}
