namespace LoraKit.Formats.Adapters.Orthogonal;

/// <summary>Skew-symmetric matrices Q = −Qᵀ in F64, row-major: what rotations are made of.</summary>
internal static class SkewSymmetric
{
    /// <summary>The size n whose strict upper triangle has n(n − 1)/2 values; null where no size has so many.</summary>
    public static int? SizeOf(long values)
    {
        if (values is < 1 or > int.MaxValue) return null;
        long size = (long)Math.Round((1 + Math.Sqrt(1 + (8.0 * values))) / 2);
        return size * (size - 1) / 2 == values ? (int)size : null;
    }

    /// <summary>The matrix with these values above its diagonal, row by row.</summary>
    public static double[] FromUpperTriangle(ReadOnlySpan<double> values, int size)
    {
        double[] matrix = new double[checked(size * size)];
        int next = 0;
        for (int i = 0; i < size; i++)
        {
            for (int j = i + 1; j < size; j++)
            {
                double value = values[next++];
                matrix[(i * size) + j] = value;
                matrix[(j * size) + i] = -value;
            }
        }

        return matrix;
    }

    /// <summary>factor · (X − Xᵀ).</summary>
    public static double[] OfDifference(ReadOnlySpan<double> square, int size, double factor)
    {
        double[] matrix = new double[checked(size * size)];
        for (int i = 0; i < size; i++)
        {
            for (int j = 0; j < size; j++)
            {
                matrix[(i * size) + j] = factor * (square[(i * size) + j] - square[(j * size) + i]);
            }
        }

        return matrix;
    }
}
