namespace LoraKit.Ops.Tests.Stack;

/// <summary>X = U·diag(σ)·Vᵀ of a small matrix by one-sided Jacobi, as a textbook has it; only values above 1e-9 of the largest.</summary>
internal sealed record NaiveSvd(double[,] U, double[] Sigma, double[,] V)
{
    public static NaiveSvd Of(double[,] matrix)
    {
        if (matrix.GetLength(0) < matrix.GetLength(1))
        {
            NaiveSvd turned = Of(Stacking.Transpose(matrix));
            return new(turned.V, turned.Sigma, turned.U);
        }

        (int rows, int columns) = (matrix.GetLength(0), matrix.GetLength(1));
        double[,] a = (double[,])matrix.Clone(), v = Stacking.Map(new double[columns, columns], (_, i, j) => i == j ? 1 : 0);
        for (int sweep = 0; sweep < 40; sweep++)
        {
            for (int p = 0; p < columns; p++)
            {
                for (int q = p + 1; q < columns; q++)
                {
                    double pp = 0, qq = 0, pq = 0;
                    for (int i = 0; i < rows; i++) (pp, qq, pq) = (pp + (a[i, p] * a[i, p]), qq + (a[i, q] * a[i, q]), pq + (a[i, p] * a[i, q]));
                    if (Math.Abs(pq) < 1e-300) continue;
                    double angle = 0.5 * Math.Atan2(2 * pq, pp - qq);
                    (double sin, double cos) = Math.SinCos(angle);
                    foreach (double[,] m in (double[][,])[a, v])
                    {
                        for (int i = 0; i < m.GetLength(0); i++) (m[i, p], m[i, q]) = ((cos * m[i, p]) + (sin * m[i, q]), (cos * m[i, q]) - (sin * m[i, p]));
                    }
                }
            }
        }

        double[] norms = [.. Enumerable.Range(0, columns).Select(j => Math.Sqrt(Enumerable.Range(0, rows).Sum(i => a[i, j] * a[i, j])))];
        int[] order = [.. Enumerable.Range(0, columns).OrderByDescending(j => norms[j])];
        order = [.. order.Where(j => norms[j] > 1e-9 * norms[order[0]])];
        return new(
            Stacking.Map(new double[rows, order.Length], (_, i, k) => a[i, order[k]] / norms[order[k]]),
            [.. order.Select(j => norms[j])],
            Stacking.Map(new double[columns, order.Length], (_, i, k) => v[i, order[k]]));
    }

    /// <summary>U·diag(f(σ))·Vᵀ.</summary>
    public double[,] With(Func<double, int, double> f) =>
        Stacking.Multiply(Stacking.Map(U, (x, _, k) => x * f(Sigma[k], k)), Stacking.Transpose(V));
}
