using System.Runtime.CompilerServices;
using LoraKit.Formats.Tensors.Floats;

namespace LoraKit.Ops.Compute.Svd;

/// <summary>
/// The inner loops of the factored SVD. A panel is [rows, 8], row-major: one row is one register of 512 bits, two of 256, or eight doubles. Sums
/// over rows keep the same order at every width, and so do sums along a vector, which are eight sums side by side.
/// </summary>
internal abstract unsafe class VectorLoops
{
    /// <summary>Columns of a panel.</summary>
    public const int Width = 8;

    /// <summary>The next multiple of <see cref="Width"/>.</summary>
    public static int Padded(int count) => checked(count + Width - 1) / Width * Width;

    /// <summary>sums[c] = Σ x[i, column]·x[i, c].</summary>
    public abstract void ColumnDots(double* x, int rows, int column, double* sums);

    /// <summary>x[i, c] += x[i, column]·factors[c].</summary>
    public abstract void AddColumn(double* x, int rows, int column, double* factors);

    /// <summary>x[i, c] *= factors[c].</summary>
    public abstract void ScaleColumns(double* x, int rows, double* factors);

    /// <summary>sums [8, 8] += vᵀ·x for two panels.</summary>
    public abstract void AddTransposedProduct(double* v, double* x, int rows, double* sums);

    /// <summary>x −= v·w for two panels and w [8, 8].</summary>
    public abstract void SubtractProduct(double* v, double* w, int rows, double* x);

    /// <summary>x·y for two vectors of a multiple of eight elements.</summary>
    public abstract double Dot(double* x, double* y, int count);

    /// <summary>(x·x, x·y, y·y) for two vectors of a multiple of eight elements.</summary>
    public abstract (double XX, double XY, double YY) Dots(double* x, double* y, int count);

    /// <summary>(x, y) ← (c·x − s·y, s·x + c·y) for two vectors of a multiple of eight elements.</summary>
    public abstract void Rotate(double* x, double* y, int count, double c, double s);
}

/// <inheritdoc/>
internal sealed unsafe class VectorLoops<TLanes, TVector> : VectorLoops
    where TLanes : IDoubleLanes<TVector>
    where TVector : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void ColumnDots(double* x, int rows, int column, double* sums)
    {
        for (int lane = 0; lane < Width; lane += TLanes.Count)
        {
            // Four sums, for one would wait for itself.
            TVector sum0 = TLanes.Create(0), sum1 = sum0, sum2 = sum0, sum3 = sum0;
            double* row = x;
            int i = 0;
            for (; i <= rows - 4; i += 4)
            {
                sum0 = TLanes.MultiplyAdd(TLanes.Create(row[column]), TLanes.Load(row + lane), sum0);
                sum1 = TLanes.MultiplyAdd(TLanes.Create(row[Width + column]), TLanes.Load(row + Width + lane), sum1);
                sum2 = TLanes.MultiplyAdd(TLanes.Create(row[(2 * Width) + column]), TLanes.Load(row + (2 * Width) + lane), sum2);
                sum3 = TLanes.MultiplyAdd(TLanes.Create(row[(3 * Width) + column]), TLanes.Load(row + (3 * Width) + lane), sum3);
                row += 4 * Width;
            }

            for (; i < rows; i++, row += Width) sum0 = TLanes.MultiplyAdd(TLanes.Create(row[column]), TLanes.Load(row + lane), sum0);
            TLanes.Store(TLanes.Add(TLanes.Add(sum0, sum1), TLanes.Add(sum2, sum3)), sums + lane);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void AddColumn(double* x, int rows, int column, double* factors)
    {
        // Columns up to this one stay, also where a narrow register has passed it: their factors are zero.
        for (int lane = 0; lane < Width; lane += TLanes.Count)
        {
            TVector factor = TLanes.Load(factors + lane);
            double* row = x;
            for (int i = 0; i < rows; i++, row += Width)
            {
                TLanes.Store(TLanes.MultiplyAdd(TLanes.Create(row[column]), factor, TLanes.Load(row + lane)), row + lane);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void ScaleColumns(double* x, int rows, double* factors)
    {
        TVector zero = TLanes.Create(0);
        for (int lane = 0; lane < Width; lane += TLanes.Count)
        {
            TVector factor = TLanes.Load(factors + lane);
            double* row = x;
            for (int i = 0; i < rows; i++, row += Width) TLanes.Store(TLanes.MultiplyAdd(TLanes.Load(row + lane), factor, zero), row + lane);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void AddTransposedProduct(double* v, double* x, int rows, double* sums)
    {
        for (int lane = 0; lane < Width; lane += TLanes.Count)
        {
            double* sum = sums + lane;
            TVector sum0 = TLanes.Load(sum), sum1 = TLanes.Load(sum + Width);
            TVector sum2 = TLanes.Load(sum + (2 * Width)), sum3 = TLanes.Load(sum + (3 * Width));
            TVector sum4 = TLanes.Load(sum + (4 * Width)), sum5 = TLanes.Load(sum + (5 * Width));
            TVector sum6 = TLanes.Load(sum + (6 * Width)), sum7 = TLanes.Load(sum + (7 * Width));
            double* left = v;
            double* right = x + lane;
            for (int i = 0; i < rows; i++)
            {
                TVector values = TLanes.Load(right);
                sum0 = TLanes.MultiplyAdd(TLanes.Create(left[0]), values, sum0);
                sum1 = TLanes.MultiplyAdd(TLanes.Create(left[1]), values, sum1);
                sum2 = TLanes.MultiplyAdd(TLanes.Create(left[2]), values, sum2);
                sum3 = TLanes.MultiplyAdd(TLanes.Create(left[3]), values, sum3);
                sum4 = TLanes.MultiplyAdd(TLanes.Create(left[4]), values, sum4);
                sum5 = TLanes.MultiplyAdd(TLanes.Create(left[5]), values, sum5);
                sum6 = TLanes.MultiplyAdd(TLanes.Create(left[6]), values, sum6);
                sum7 = TLanes.MultiplyAdd(TLanes.Create(left[7]), values, sum7);
                left += Width;
                right += Width;
            }

            TLanes.Store(sum0, sum);
            TLanes.Store(sum1, sum + Width);
            TLanes.Store(sum2, sum + (2 * Width));
            TLanes.Store(sum3, sum + (3 * Width));
            TLanes.Store(sum4, sum + (4 * Width));
            TLanes.Store(sum5, sum + (5 * Width));
            TLanes.Store(sum6, sum + (6 * Width));
            TLanes.Store(sum7, sum + (7 * Width));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void SubtractProduct(double* v, double* w, int rows, double* x)
    {
        double* negative = stackalloc double[Width * Width];
        for (int i = 0; i < Width * Width; i++) negative[i] = -w[i];
        for (int lane = 0; lane < Width; lane += TLanes.Count)
        {
            double* factor = negative + lane;
            TVector factor0 = TLanes.Load(factor), factor1 = TLanes.Load(factor + Width);
            TVector factor2 = TLanes.Load(factor + (2 * Width)), factor3 = TLanes.Load(factor + (3 * Width));
            TVector factor4 = TLanes.Load(factor + (4 * Width)), factor5 = TLanes.Load(factor + (5 * Width));
            TVector factor6 = TLanes.Load(factor + (6 * Width)), factor7 = TLanes.Load(factor + (7 * Width));
            double* left = v;
            double* row = x + lane;
            for (int i = 0; i < rows; i++)
            {
                TVector values = TLanes.MultiplyAdd(TLanes.Create(left[0]), factor0, TLanes.Load(row));
                values = TLanes.MultiplyAdd(TLanes.Create(left[1]), factor1, values);
                values = TLanes.MultiplyAdd(TLanes.Create(left[2]), factor2, values);
                values = TLanes.MultiplyAdd(TLanes.Create(left[3]), factor3, values);
                values = TLanes.MultiplyAdd(TLanes.Create(left[4]), factor4, values);
                values = TLanes.MultiplyAdd(TLanes.Create(left[5]), factor5, values);
                values = TLanes.MultiplyAdd(TLanes.Create(left[6]), factor6, values);
                values = TLanes.MultiplyAdd(TLanes.Create(left[7]), factor7, values);
                TLanes.Store(values, row);
                left += Width;
                row += Width;
            }
        }
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override double Dot(double* x, double* y, int count)
    {
        double* sums = stackalloc double[Width];
        for (int lane = 0; lane < Width; lane += TLanes.Count)
        {
            TVector sum = TLanes.Create(0);
            for (int i = lane; i < count; i += Width) sum = TLanes.MultiplyAdd(TLanes.Load(x + i), TLanes.Load(y + i), sum);
            TLanes.Store(sum, sums + lane);
        }

        return Sum(sums);
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override (double XX, double XY, double YY) Dots(double* x, double* y, int count)
    {
        double* sums = stackalloc double[3 * Width];
        for (int lane = 0; lane < Width; lane += TLanes.Count)
        {
            TVector xx = TLanes.Create(0), xy = xx, yy = xx;
            for (int i = lane; i < count; i += Width)
            {
                TVector left = TLanes.Load(x + i), right = TLanes.Load(y + i);
                xx = TLanes.MultiplyAdd(left, left, xx);
                xy = TLanes.MultiplyAdd(left, right, xy);
                yy = TLanes.MultiplyAdd(right, right, yy);
            }

            TLanes.Store(xx, sums + lane);
            TLanes.Store(xy, sums + Width + lane);
            TLanes.Store(yy, sums + (2 * Width) + lane);
        }

        return (Sum(sums), Sum(sums + Width), Sum(sums + (2 * Width)));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Rotate(double* x, double* y, int count, double c, double s)
    {
        TVector zero = TLanes.Create(0), cosine = TLanes.Create(c), sine = TLanes.Create(s), negativeSine = TLanes.Create(-s);
        for (int i = 0; i < count; i += TLanes.Count)
        {
            TVector left = TLanes.Load(x + i), right = TLanes.Load(y + i);
            TLanes.Store(TLanes.MultiplyAdd(cosine, left, TLanes.MultiplyAdd(negativeSine, right, zero)), x + i);
            TLanes.Store(TLanes.MultiplyAdd(sine, left, TLanes.MultiplyAdd(cosine, right, zero)), y + i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static double Sum(double* s) => ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}
