namespace LoraKit.Ops.Tests.Merge;

/// <summary>LyCORIS' kinds that need the base, from its programs' definitions: dense loops that share nothing with the library. W is [out, in·kernel].</summary>
internal static class LycorisOracle
{
    /// <summary>s·(b1·b2 + W·a1·a2), W mixed at each position of the kernel.</summary>
    public static double[] Glora(double[] w, int outputs, int inputs, int positions, int rank, double scale, double[] a1, double[] a2, double[] b1, double[] b2)
    {
        double[] update = new double[w.Length];
        for (int o = 0; o < outputs; o++)
        {
            for (int i = 0; i < inputs; i++)
            {
                for (int p = 0; p < positions; p++)
                {
                    double sum = 0;
                    for (int r = 0; r < rank; r++)
                    {
                        sum += b1[(o * rank) + r] * b2[(((r * inputs) + i) * positions) + p];
                        for (int j = 0; j < inputs; j++) sum += w[(((o * inputs) + j) * positions) + p] * a1[(j * rank) + r] * a2[(r * inputs) + i];
                    }

                    update[(((o * inputs) + i) * positions) + p] = scale * sum;
                }
            }
        }

        return update;
    }

    /// <summary>The rotations R = (I + Q)(I − Q)⁻¹ of all blocks, Q = factor·(X − Xᵀ).</summary>
    public static double[][,] Rotations(double[] blocks, int size, Func<double, double> factorOfNorm)
    {
        int count = blocks.Length / (size * size);
        double[][,] skew = new double[count][,];
        double squares = 0;
        for (int k = 0; k < count; k++)
        {
            skew[k] = new double[size, size];
            for (int i = 0; i < size; i++)
            {
                for (int j = 0; j < size; j++)
                {
                    skew[k][i, j] = blocks[(k * size * size) + (i * size) + j] - blocks[(k * size * size) + (j * size) + i];
                    squares += skew[k][i, j] * skew[k][i, j];
                }
            }
        }

        double factor = factorOfNorm(Math.Sqrt(squares));
        return [.. skew.Select(q => Rotation(q, size, factor))];
    }

    /// <summary>d ∘ blockdiag(R)ᵀ·W.</summary>
    public static double[] DiagOft(double[] w, int columns, double[][,] rotations, double[]? rescale)
    {
        int size = rotations[0].GetLength(0);
        double[] result = new double[w.Length];
        for (int k = 0; k < rotations.Length; k++)
        {
            for (int m = 0; m < size; m++)
            {
                for (int c = 0; c < columns; c++)
                {
                    double sum = 0;
                    for (int n = 0; n < size; n++) sum += rotations[k][n, m] * w[(((k * size) + n) * columns) + c];
                    result[(((k * size) + m) * columns) + c] = sum * (rescale?[(k * size) + m] ?? 1);
                }
            }
        }

        return result;
    }

    /// <summary>The stages as LyCORIS has them: rows unflattened to (…, 2, k), the last two exchanged, blocks of b turned, and exchanged back.</summary>
    public static double[] Boft(double[] w, int columns, double[][,] rotations, int stages, double[]? rescale)
    {
        int size = rotations[0].GetLength(0), rows = w.Length / columns, perStage = rotations.Length / stages;
        double[][] now = [.. Enumerable.Range(0, rows).Select(r => w[(r * columns)..((r + 1) * columns)])];
        for (int stage = 0; stage < stages; stage++)
        {
            int k = (1 << stage) * (size / 2);
            double[][] ordered = new double[rows][];
            for (int run = 0; run < rows / (2 * k); run++)
            {
                for (int g = 0; g < 2; g++)
                {
                    for (int j = 0; j < k; j++) ordered[(run * 2 * k) + (j * 2) + g] = now[(run * 2 * k) + (g * k) + j];
                }
            }

            double[][] turned = new double[rows][];
            for (int r = 0; r < rows; r++)
            {
                turned[r] = new double[columns];
                for (int j = 0; j < size; j++)
                {
                    for (int c = 0; c < columns; c++) turned[r][c] += rotations[(stage * perStage) + (r / size)][r % size, j] * ordered[(r / size * size) + j][c];
                }
            }

            for (int run = 0; run < rows / (2 * k); run++)
            {
                for (int g = 0; g < 2; g++)
                {
                    for (int j = 0; j < k; j++) now[(run * 2 * k) + (g * k) + j] = turned[(run * 2 * k) + (j * 2) + g];
                }
            }
        }

        return [.. now.SelectMany((row, r) => row.Select(value => value * (rescale?[r] ?? 1)))];
    }

    private static double[,] Rotation(double[,] skew, int size, double factor)
    {
        double[,] plus = new double[size, size], minus = new double[size, size];
        for (int i = 0; i < size; i++)
        {
            for (int j = 0; j < size; j++)
            {
                double identity = i == j ? 1 : 0;
                (plus[i, j], minus[i, j]) = (identity + (factor * skew[i, j]), identity - (factor * skew[i, j]));
            }
        }

        double[,] inverse = Inverse(minus, size), product = new double[size, size];
        for (int i = 0; i < size; i++)
        {
            for (int j = 0; j < size; j++)
            {
                for (int k = 0; k < size; k++) product[i, j] += plus[i, k] * inverse[k, j];
            }
        }

        return product;
    }

    /// <summary>By Gauss and Jordan. I − Q has a positive definite symmetric part, so that no pivot is 0.</summary>
    private static double[,] Inverse(double[,] matrix, int size)
    {
        double[,] inverse = new double[size, size];
        for (int i = 0; i < size; i++) inverse[i, i] = 1;
        for (int k = 0; k < size; k++)
        {
            double pivot = matrix[k, k];
            for (int j = 0; j < size; j++) (matrix[k, j], inverse[k, j]) = (matrix[k, j] / pivot, inverse[k, j] / pivot);
            for (int i = 0; i < size; i++)
            {
                double factor = matrix[i, k];
                if (i == k) continue;
                for (int j = 0; j < size; j++) (matrix[i, j], inverse[i, j]) = (matrix[i, j] - (factor * matrix[k, j]), inverse[i, j] - (factor * inverse[k, j]));
            }
        }

        return inverse;
    }
}
