namespace LoraKit.Ops.Compute;

/// <summary>
/// Left = Q_l·R_l, Rightᵀ = Q_r·R_r (Householder), R_l·R_rᵀ = P·diag(σ)·Wᵀ (one-sided Jacobi); U = Q_l·P, V = Q_r·W. In F64.
/// </summary>
internal sealed class FactoredSvd : ILowRankSvd
{
    private readonly double[] _left;
    private readonly double[] _right;
    private readonly int _rows;
    private readonly int _columns;

    public FactoredSvd(LowRankProduct product)
    {
        (_rows, _columns, int rank) = ((int)product.Rows, product.Columns, product.Rank);
        double[] left = product.LeftDouble ?? [.. product.LeftSingle!.Select(v => (double)v)];
        double[] right = product.RightDouble ?? [.. product.RightSingle!.Select(v => (double)v)];
        double[] rightTransposed = new double[right.Length];
        for (int k = 0; k < rank; k++)
        {
            for (int j = 0; j < _columns; j++) rightTransposed[(j * rank) + k] = right[(k * _columns) + j];
        }

        (double[] ql, double[] rl, int kl) = Qr(left, _rows, rank);
        (double[] qr, double[] rr, int kr) = Qr(rightTransposed, _columns, rank);
        double[] core = new double[kl * kr];
        for (int i = 0; i < kl; i++)
        {
            for (int j = 0; j < kr; j++)
            {
                for (int k = 0; k < rank; k++) core[(i * kr) + j] += rl[(i * rank) + k] * rr[(j * rank) + k];
            }
        }

        (double[] p, double[] sigma, double[] w) = Jacobi(core, kl, kr);
        SingularValues = sigma;
        _left = Multiply(ql, p, _rows, kl, sigma.Length);
        _right = Multiply(qr, w, _columns, kr, sigma.Length);
    }

    public IReadOnlyList<double> SingularValues { get; }

    public SingularVectors Take(int rank) => new(rank, Columns(_left, _rows, rank), Columns(_right, _columns, rank));

    public void Dispose()
    {
    }

    private double[] Columns(double[] matrix, int rows, int count)
    {
        int all = SingularValues.Count;
        double[] result = new double[rows * count];
        for (int i = 0; i < rows; i++) matrix.AsSpan(i * all, count).CopyTo(result.AsSpan(i * count));
        return result;
    }

    private static double[] Multiply(double[] a, double[] b, int rows, int inner, int columns)
    {
        double[] c = new double[rows * columns];
        for (int i = 0; i < rows; i++)
        {
            for (int k = 0; k < inner; k++)
            {
                double v = a[(i * inner) + k];
                for (int j = 0; j < columns; j++) c[(i * columns) + j] += v * b[(k * columns) + j];
            }
        }

        return c;
    }

    /// <summary>Thin: Q [rows, min(rows, columns)] and R [min(rows, columns), columns].</summary>
    private static (double[] Q, double[] R, int Size) Qr(double[] matrix, int rows, int columns)
    {
        double[] a = [.. matrix];
        int size = Math.Min(rows, columns);
        double[][] reflectors = new double[size][];
        for (int k = 0; k < size; k++)
        {
            double largest = 0;
            for (int i = k; i < rows; i++) largest = Math.Max(largest, Math.Abs(a[(i * columns) + k]));
            double[] v = reflectors[k] = new double[rows - k];
            if (largest == 0) continue;
            double norm = 0;
            for (int i = k; i < rows; i++)
            {
                v[i - k] = a[(i * columns) + k] / largest;
                norm += v[i - k] * v[i - k];
            }

            norm = Math.Sqrt(norm);
            v[0] += v[0] < 0 ? -norm : norm;
            double length = Math.Sqrt(v.Sum(x => x * x));
            for (int i = 0; i < v.Length; i++) v[i] /= length;
            Reflect(a, v, k, columns, k, rows);
        }

        double[] r = new double[size * columns];
        for (int i = 0; i < size; i++)
        {
            for (int j = i; j < columns; j++) r[(i * columns) + j] = a[(i * columns) + j];
        }

        double[] q = new double[rows * size];
        for (int i = 0; i < size; i++) q[(i * size) + i] = 1;
        for (int k = size - 1; k >= 0; k--) Reflect(q, reflectors[k], k, size, 0, rows);
        return (q, r, size);
    }

    private static void Reflect(double[] a, double[] v, int first, int columns, int firstColumn, int rows)
    {
        for (int j = firstColumn; j < columns; j++)
        {
            double dot = 0;
            for (int i = first; i < rows; i++) dot += v[i - first] * a[(i * columns) + j];
            if (dot == 0) continue;
            for (int i = first; i < rows; i++) a[(i * columns) + j] -= 2 * dot * v[i - first];
        }
    }

    /// <summary>P [rows, k], σ [k], W [columns, k] with k = min(rows, columns), for a small matrix.</summary>
    private static (double[] P, double[] Sigma, double[] W) Jacobi(double[] matrix, int rows, int columns)
    {
        if (rows < columns)
        {
            double[] transposed = new double[matrix.Length];
            for (int i = 0; i < rows; i++)
            {
                for (int j = 0; j < columns; j++) transposed[(j * rows) + i] = matrix[(i * columns) + j];
            }

            (double[] p, double[] s, double[] w) = Jacobi(transposed, columns, rows);
            return (w, s, p);
        }

        double largest = matrix.Length == 0 ? 0 : matrix.Max(Math.Abs);
        double[] a = [.. matrix.Select(v => largest == 0 ? 0 : v / largest)];
        double[] rotation = new double[columns * columns];
        for (int i = 0; i < columns; i++) rotation[(i * columns) + i] = 1;
        bool turned = true;
        for (int sweep = 0; turned && sweep < 60; sweep++)
        {
            turned = false;
            for (int i = 0; i < columns - 1; i++)
            {
                for (int j = i + 1; j < columns; j++)
                {
                    double ii = 0, jj = 0, ij = 0;
                    for (int k = 0; k < rows; k++)
                    {
                        (double x, double y) = (a[(k * columns) + i], a[(k * columns) + j]);
                        ii += x * x;
                        jj += y * y;
                        ij += x * y;
                    }

                    if (ij == 0 || Math.Abs(ij) <= 1e-15 * Math.Sqrt(ii) * Math.Sqrt(jj)) continue;
                    turned = true;
                    double zeta = (jj - ii) / (2 * ij);
                    double t = Math.Sign(zeta) / (Math.Abs(zeta) + Math.Sqrt(1 + (zeta * zeta)));
                    if (zeta == 0) t = 1;
                    double c = 1 / Math.Sqrt(1 + (t * t));
                    Turn(a, rows, columns, i, j, c, c * t);
                    Turn(rotation, columns, columns, i, j, c, c * t);
                }
            }
        }

        double[] norms = new double[columns];
        for (int k = 0; k < rows; k++)
        {
            for (int j = 0; j < columns; j++) norms[j] += a[(k * columns) + j] * a[(k * columns) + j];
        }

        int[] order = [.. Enumerable.Range(0, columns).OrderByDescending(j => norms[j]).ThenBy(j => j)];
        double[] sigma = [.. order.Select(j => Math.Sqrt(norms[j]) * largest)];
        double[] left = new double[rows * columns];
        double[] right = new double[columns * columns];
        for (int j = 0; j < columns; j++)
        {
            double norm = Math.Sqrt(norms[order[j]]);
            for (int k = 0; k < rows; k++) left[(k * columns) + j] = norm == 0 ? 0 : a[(k * columns) + order[j]] / norm;
            for (int k = 0; k < columns; k++) right[(k * columns) + j] = rotation[(k * columns) + order[j]];
        }

        Complete(left, rows, columns);
        return (left, sigma, right);
    }

    private static void Turn(double[] a, int rows, int columns, int i, int j, double c, double s)
    {
        for (int k = 0; k < rows; k++)
        {
            (double x, double y) = (a[(k * columns) + i], a[(k * columns) + j]);
            a[(k * columns) + i] = (c * x) - (s * y);
            a[(k * columns) + j] = (s * x) + (c * y);
        }
    }

    /// <summary>Makes columns that are not of unit length (they belong to zero) orthonormal to all others.</summary>
    private static void Complete(double[] matrix, int rows, int columns)
    {
        int next = 0;
        for (int j = 0; j < columns; j++)
        {
            while (true)
            {
                double[] column = [.. Enumerable.Range(0, rows).Select(k => matrix[(k * columns) + j])];
                for (int pass = 0; pass < 2; pass++)
                {
                    for (int i = 0; i < j; i++)
                    {
                        double dot = 0;
                        for (int k = 0; k < rows; k++) dot += column[k] * matrix[(k * columns) + i];
                        for (int k = 0; k < rows; k++) column[k] -= dot * matrix[(k * columns) + i];
                    }
                }

                double norm = Math.Sqrt(column.Sum(x => x * x));
                if (norm > 0.5)
                {
                    for (int k = 0; k < rows; k++) matrix[(k * columns) + j] = column[k] / norm;
                    break;
                }

                for (int k = 0; k < rows; k++) matrix[(k * columns) + j] = k == next ? 1 : 0;
                next++;
            }
        }
    }
}
