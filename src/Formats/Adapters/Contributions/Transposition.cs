namespace LoraKit.Formats.Adapters.Contributions;

/// <summary>The transpose of a matrix in doubles.</summary>
internal static class Transposition
{
    /// <summary>[rows, columns], row-major, to [columns, rows].</summary>
    public static double[] Of(ReadOnlySpan<double> matrix, int rows, int columns)
    {
        double[] transposed = new double[matrix.Length];
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
            {
                transposed[(j * rows) + i] = matrix[(i * columns) + j];
            }
        }

        return transposed;
    }
}
