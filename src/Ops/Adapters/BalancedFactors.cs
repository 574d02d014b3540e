namespace LoraKit.Ops.Adapters;

/// <summary>U·diag(σ)·Vᵀ as B = U·√σ and A = √σ·Vᵀ: the singular values spread evenly over both factors, which 16-bit types hold best.</summary>
internal static class BalancedFactors
{
    /// <summary>Each column times √σ.</summary>
    /// <param name="vectors">U or V: [rows, k], row-major.</param>
    /// <param name="singularValues">σ: k values.</param>
    public static double[] Of(double[] vectors, IReadOnlyList<double> singularValues)
    {
        double[] roots = [.. singularValues.Select(Math.Sqrt)];
        double[] result = new double[vectors.Length];
        for (int first = 0; first < vectors.Length; first += roots.Length)
        {
            for (int k = 0; k < roots.Length; k++) result[first + k] = vectors[first + k] * roots[k];
        }

        return result;
    }

    /// <summary>A row-major matrix turned.</summary>
    public static double[] Transposed(double[] values, int rows, int columns)
    {
        double[] result = new double[values.Length];
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++) result[(j * rows) + i] = values[(i * columns) + j];
        }

        return result;
    }
}
