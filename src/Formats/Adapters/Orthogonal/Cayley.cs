using LoraKit.Formats.Adapters.Contributions;

namespace LoraKit.Formats.Adapters.Orthogonal;

/// <summary>
/// Rotations of skew-symmetric matrices by Cayley's transform, in F64 with +, −, ×, ÷ alone in a fixed order. Matrices are row-major and square.
/// </summary>
internal static class Cayley
{
    /// <summary>(I − Q)(I + Q)⁻¹, as PEFT's OFT and BOFT.</summary>
    public static double[] Rotation(ReadOnlySpan<double> skew, int size) => Transform(skew, size, -1);

    /// <summary>(I + Q)(I − Q)⁻¹, its inverse and so its transpose, as LyCORIS' Diag-OFT and BOFT.</summary>
    public static double[] InverseRotation(ReadOnlySpan<double> skew, int size) => Transform(skew, size, 1);

    /// <summary>
    /// The truncated Neumann series of (I + Q)(I − Q)⁻¹ as PEFT has it since 0.18: I + 2Q + 2Q² + … with the last power taken once. Three terms
    /// are as four, two are I + 2Q, one is I.
    /// </summary>
    /// <param name="skew">Q.</param>
    /// <param name="size">Its size.</param>
    /// <param name="terms">How many terms, I included.</param>
    public static double[] Neumann(ReadOnlySpan<double> skew, int size, long terms)
    {
        if (terms <= 2) return DoubledNeumann(skew, size, terms);
        double[] sum = Series(skew, size, Math.Max(3, terms - 1), out double[] power);
        RowLoops.AddScaled(Multiply(power, skew, size), 1, sum);
        return sum;
    }

    /// <summary>The same as PEFT had it before 0.18: I + 2Q + … + 2Qⁿ⁻¹ for n terms.</summary>
    /// <param name="skew">Q.</param>
    /// <param name="size">Its size.</param>
    /// <param name="terms">n.</param>
    public static double[] DoubledNeumann(ReadOnlySpan<double> skew, int size, long terms) => Series(skew, size, terms, out _);

    /// <summary>I + 2Q + … + 2Qⁿ⁻¹, and the last power.</summary>
    private static double[] Series(ReadOnlySpan<double> skew, int size, long terms, out double[] power)
    {
        double[] sum = power = Identity(size);
        if (terms <= 1) return sum;
        power = skew.ToArray();
        RowLoops.AddScaled(power, 2, sum);
        for (long term = 2; term < terms; term++)
        {
            power = Multiply(power, skew, size);
            RowLoops.AddScaled(power, 2, sum);
        }

        return sum;
    }

    /// <summary>(I − sign·Q)⁻¹(I + sign·Q): the two factors commute. I ± Q is never singular, Q's eigenvalues being imaginary.</summary>
    private static double[] Transform(ReadOnlySpan<double> skew, int size, double sign)
    {
        double[] left = Identity(size), right = Identity(size);
        RowLoops.AddScaled(skew, -sign, left);
        RowLoops.AddScaled(skew, sign, right);
        Solve(left, right, size);
        return right;
    }

    /// <summary>Puts left⁻¹ · right into right, by elimination with partial pivoting; left is used up.</summary>
    private static void Solve(double[] left, double[] right, int size)
    {
        for (int k = 0; k < size; k++)
        {
            int pivot = k;
            for (int i = k + 1; i < size; i++)
            {
                if (Math.Abs(left[(i * size) + k]) > Math.Abs(left[(pivot * size) + k])) pivot = i;
            }

            if (pivot != k)
            {
                Swap(left, k, pivot, size);
                Swap(right, k, pivot, size);
            }

            for (int i = k + 1; i < size; i++)
            {
                double factor = left[(i * size) + k] / left[(k * size) + k];
                RowLoops.AddScaled(left.AsSpan((k * size) + k, size - k), -factor, left.AsSpan((i * size) + k, size - k));
                RowLoops.AddScaled(right.AsSpan(k * size, size), -factor, right.AsSpan(i * size, size));
            }
        }

        for (int k = size - 1; k >= 0; k--)
        {
            Span<double> row = right.AsSpan(k * size, size);
            for (int i = k + 1; i < size; i++)
            {
                RowLoops.AddScaled(right.AsSpan(i * size, size), -left[(k * size) + i], row);
            }

            for (int j = 0; j < size; j++)
            {
                row[j] /= left[(k * size) + k];
            }
        }
    }

    private static void Swap(double[] matrix, int one, int other, int size)
    {
        for (int j = 0; j < size; j++)
        {
            (matrix[(one * size) + j], matrix[(other * size) + j]) = (matrix[(other * size) + j], matrix[(one * size) + j]);
        }
    }

    private static double[] Multiply(ReadOnlySpan<double> left, ReadOnlySpan<double> right, int size)
    {
        double[] product = new double[left.Length];
        for (int i = 0; i < size; i++)
        {
            for (int k = 0; k < size; k++)
            {
                RowLoops.AddScaled(right.Slice(k * size, size), left[(i * size) + k], product.AsSpan(i * size, size));
            }
        }

        return product;
    }

    private static double[] Identity(int size)
    {
        double[] identity = new double[checked(size * size)];
        for (int i = 0; i < size; i++)
        {
            identity[(i * size) + i] = 1;
        }

        return identity;
    }
}
