namespace LoraKit.Ops.Compute.Randomized;

/// <summary>
/// Gram–Schmidt by panels, every projection done twice: columns become orthonormal to machine precision, and orthogonal to those of
/// other matrices. A column that lies in the span of those before it becomes zero.
/// (The Householder QR of the factored SVD makes directions up for such columns, and knows nothing of other matrices: a basis that grows needs both.)
/// </summary>
internal sealed unsafe class Orthonormal(PanelProduct product)
{
    private const int Panel = PanelMatrix.PanelColumns;

    /// <summary>What is left of a column that rounding alone keeps from vanishing, relative to its length before.</summary>
    private const double Noise = 1e-13;

    /// <summary>Makes the columns of <paramref name="matrix"/> orthonormal, and orthogonal to <paramref name="others"/>, in place.</summary>
    public void Make(PanelMatrix matrix, IReadOnlyList<PanelMatrix> others)
    {
        Span<double> work = stackalloc double[Panel];
        double[] dots = GC.AllocateArray<double>(Panel * Panel, pinned: true);
        fixed (double* d = dots)
        {
            for (int panel = 0; panel < matrix.Panels; panel++)
            {
                double* columns = matrix.Panel(panel);
                Normalize(columns, matrix.Rows, work);
                for (int pass = 0; pass < 2; pass++)
                {
                    foreach (PanelMatrix other in others)
                    {
                        for (int p = 0; p < other.Panels; p++) Remove(other.Panel(p), columns, matrix.Rows, d);
                    }

                    for (int p = 0; p < panel; p++) Remove(matrix.Panel(p), columns, matrix.Rows, d);
                    Within(columns, matrix.Rows, d, pass == 0 ? Noise : 0.5);
                }
            }
        }
    }

    /// <summary>columns −= basis·(basisᵀ·columns).</summary>
    private void Remove(double* basis, double* columns, int rows, double* dots)
    {
        new Span<double>(dots, Panel * Panel).Clear();
        product.Add(basis, 1, Panel, Panel, rows, columns, dots);
        for (int i = 0; i < Panel * Panel; i++) dots[i] = -dots[i];
        product.Add(basis, Panel, 1, rows, Panel, dots, columns);
    }

    /// <summary>Each column to unit length, and its direction out of all that follow; one shorter than <paramref name="least"/> to zero.</summary>
    private void Within(double* columns, int rows, double* dots, double least)
    {
        for (int j = 0; j < Panel; j++)
        {
            new Span<double>(dots, Panel).Clear();
            product.Add(columns + j, 0, Panel, 1, rows, columns, dots);
            double length = Math.Sqrt(dots[j]);
            double scale = length > least ? 1 / length : 0;
            for (int i = 0; i < rows; i++) columns[((nint)i * Panel) + j] *= scale;
            // What follows loses its share of the unit column.
            for (int k = 0; k <= j; k++) dots[k] = 0;
            for (int k = j + 1; k < Panel; k++) dots[k] *= -scale;
            if (scale > 0) product.Add(columns + j, Panel, 1, rows, 1, dots, columns);
        }
    }

    /// <summary>To unit length, by way of the largest element: squares of what is left of small matrices would vanish.</summary>
    private static void Normalize(double* columns, int rows, Span<double> work)
    {
        work.Clear();
        for (double* row = columns; row < columns + ((nint)rows * Panel); row += Panel)
        {
            for (int j = 0; j < Panel; j++) work[j] = Math.Max(work[j], Math.Abs(row[j]));
        }

        Divide(columns, rows, work);
        work.Clear();
        for (double* row = columns; row < columns + ((nint)rows * Panel); row += Panel)
        {
            for (int j = 0; j < Panel; j++) work[j] += row[j] * row[j];
        }

        for (int j = 0; j < Panel; j++) work[j] = Math.Sqrt(work[j]);
        Divide(columns, rows, work);
    }

    private static void Divide(double* columns, int rows, ReadOnlySpan<double> divisors)
    {
        for (double* row = columns; row < columns + ((nint)rows * Panel); row += Panel)
        {
            for (int j = 0; j < Panel; j++) row[j] = divisors[j] == 0 ? 0 : row[j] / divisors[j];
        }
    }
}
