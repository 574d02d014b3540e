namespace LoraKit.Ops.Compute.Svd;

/// <summary>R_l·R_rᵀ with the powers of two that were taken out of the columns: of about unit size, and one power of two for the whole.</summary>
internal static unsafe class CoreProduct
{
    /// <summary>[left.Size, right.Size], row-major; times 2^<paramref name="exponent"/> it is the product.</summary>
    public static double[] Of(ThinQr left, ThinQr right, VectorLoops loops, out int exponent)
    {
        int stride = left.Stride;
        int[] exponents = SvdRange.Terms(left.Exponents, right.Exponents, out exponent);
        double[] core = new double[checked(left.Size * right.Size)];
        double[] row = new double[stride];
        double largest = 0;
        fixed (double* leftRow = row, rightR = right.R)
        {
            for (int i = 0; i < left.Size; i++)
            {
                for (int k = 0; k < stride; k++) row[k] = Math.ScaleB(left.R[(i * stride) + k], exponents[k] - exponent);
                for (int j = 0; j < right.Size; j++)
                {
                    int first = Math.Max(left.FirstColumn(i), right.FirstColumn(j));
                    double value = loops.Dot(leftRow + first, rightR + (j * stride) + first, stride - first);
                    core[(i * right.Size) + j] = value;
                    largest = Math.Max(largest, Math.Abs(value));
                }
            }
        }

        if (largest == 0) return core;
        int common = Math.ILogB(largest);
        for (int i = 0; i < core.Length; i++) core[i] = Math.ScaleB(core[i], -common);
        exponent += common;
        return core;
    }
}
