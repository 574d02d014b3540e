using LoraKit.Formats;

namespace LoraKit.Ops.Compute.Randomized;

/// <summary>
/// The largest singular values of a dense matrix that is read row by row. A random block Ω is multiplied by XᵀX again and again, each
/// time in one pass over the rows (Σ tileᵀ·(tile·V)), and the blocks (block Krylov) are made an orthonormal basis V; X ≈ (X·V)·Vᵀ is
/// decomposed from X·V. All in F64. The error is known, not estimated: ‖X − X·V·Vᵀ‖² = ‖X‖² − ‖X·V‖², and where that would cancel, it is summed
/// element by element. See spec/algebra.md, "extract".
/// </summary>
public static class RandomizedSvd
{
    /// <summary>Values that an error bound tries first.</summary>
    private const int FirstRank = 16;

    /// <summary>Below this share the difference of the energies has lost too many digits.</summary>
    private const double Cancellation = 1e-6;

    /// <summary>Singular values smaller than this, next to the largest, are rounding errors of F64.</summary>
    private const double Rounding = 1e-14;

    /// <summary>Decomposes a matrix as far as the options ask; exactly where the sketch would be as large as the matrix.</summary>
    /// <param name="source">The matrix; read several times.</param>
    /// <param name="options">How many values.</param>
    /// <param name="compute">Where the small SVD runs; the products over tiles run on managed kernels.</param>
    /// <param name="cancellation">Stops between tiles.</param>
    /// <exception cref="InvalidOptionException">An option is out of range, or not exactly one bound is set.</exception>
    /// <exception cref="NonFiniteException">The matrix holds NaN or infinity, or values whose squares are beyond F64.</exception>
    /// <exception cref="UnsupportedException">The sketch is larger than an array can be.</exception>
    public static ApproximateSvd Run(IRowSource source, RandomizedSvdOptions options, ICompute compute, CancellationToken cancellation = default)
    {
        options.Check();
        if (source.Rows == 0 || source.Columns == 0) return new([], [], [], 0, 0);
        PanelProduct product = PanelProduct.Of(options.Width);
        Orthonormal orthonormal = new(product);
        int smaller = (int)Math.Min(source.Rows, source.Columns);
        RowPasses? passes = null;
        Sketch sketch = new();
        double energy = 0;
        for (long block = Padded((options.Rank ?? FirstRank) + (long)options.Oversampling); ; block = sketch.Size / options.PowerIterations)
        {
            long size = sketch.Size + (block * options.PowerIterations);
            if (size >= smaller) break;
            CheckSize(source, size);
            passes ??= new(source, product, options.Threads, cancellation);
            PanelMatrix v = TestMatrix.Create(source.Columns, (int)block, sketch.Size, options.Seed);
            if (sketch.Size > 0) orthonormal.Make(v, sketch.Basis);
            for (int i = 0; i < options.PowerIterations; i++)
            {
                (PanelMatrix next, PanelMatrix projection, energy) = passes.Gram(v);
                if (!double.IsFinite(energy)) throw NonFinite();
                if (energy == 0) return new([], [], [], 0, 0);
                if (i > 0) sketch.Add(v, projection);
                v = next;
                orthonormal.Make(v, sketch.Basis);
            }

            sketch.Add(v, passes.Project(v));
            double outside = energy - sketch.Captured;
            if (outside < Cancellation * energy) outside = passes.Compare(sketch.Left(), sketch.Right(), sketch.Size).Residual;
            if (options.Rank is null && outside > Budget(options) * energy) continue;
            using ILowRankSvd svd = compute.Decompose(new LowRankProduct(source.Rows, sketch.Size, sketch.Size, sketch.Left(), Identity(sketch.Size)));
            int rank = Choose(svd.SingularValues, outside, energy, options);
            // Too close to the edge, the last values are seen too small, and more of them than needed would be taken.
            if (options.Rank is null && rank + options.Oversampling > sketch.Size && outside > 0) continue;
            SingularVectors vectors = svd.Take(rank);
            return Result(svd, vectors with { Right = sketch.Turn(vectors.Right, rank, product) }, outside, energy);
        }

        CheckSize(source, smaller);
        return Exact(source, passes ?? new(source, product, options.Threads, cancellation), options, compute);
    }

    /// <summary>‖X − left·right‖²_F and ‖X‖²_F, element by element, for any factors: as they are after rounding.</summary>
    /// <param name="source">X.</param>
    /// <param name="left">[rows, k], row-major.</param>
    /// <param name="right">[k, columns], row-major.</param>
    /// <param name="options">Threads and width.</param>
    /// <param name="cancellation">Stops between tiles.</param>
    internal static (double Residual, double Energy) Compare(
        IRowSource source, double[] left, double[] right, RandomizedSvdOptions options, CancellationToken cancellation) =>
        new RowPasses(source, PanelProduct.Of(options.Width), options.Threads, cancellation).Compare(left, right, right.Length / source.Columns);

    /// <summary>About how much memory a decomposition takes, if its first sketch is enough.</summary>
    internal static long WorkingBytes(long rows, long columns, RandomizedSvdOptions options)
    {
        long size = Math.Min(Padded((options.Rank ?? FirstRank) + (long)options.Oversampling) * options.PowerIterations, Math.Min(rows, columns));
        // The basis, its images and sums of them; the projections, and copies for the small decomposition.
        return sizeof(double) * size * 3 * (rows + columns);
    }

    private static ApproximateSvd Exact(IRowSource source, RowPasses passes, RandomizedSvdOptions options, ICompute compute)
    {
        (int rows, int columns) = ((int)source.Rows, source.Columns);
        double[] values = passes.ReadAll();
        double energy = DotProduct.Of(values, values);
        if (!double.IsFinite(energy)) throw NonFinite();
        if (energy == 0) return new([], [], [], 0, 0);
        LowRankProduct product = rows < columns
            ? new(rows, columns, rows, Identity(rows), values)
            : new(rows, columns, columns, values, Identity(columns));
        using ILowRankSvd svd = compute.Decompose(product);
        return Result(svd, svd.Take(Choose(svd.SingularValues, 0, energy, options)), 0, energy);
    }

    private static ApproximateSvd Result(ILowRankSvd svd, SingularVectors vectors, double outside, double energy)
    {
        // Smallest first, so that nothing small is lost.
        double residual = outside;
        for (int i = svd.SingularValues.Count - 1; i >= vectors.Rank; i--) residual += svd.SingularValues[i] * svd.SingularValues[i];
        return new(vectors.Left, [.. svd.SingularValues.Take(vectors.Rank)], vectors.Right, energy, Math.Sqrt(residual / energy));
    }

    /// <summary>The fewest values within the bound, if all are; at least one, and none that are rounding errors.</summary>
    private static int Choose(IReadOnlyList<double> singularValues, double outside, double energy, RandomizedSvdOptions options)
    {
        int significant = singularValues.Count(s => s > singularValues[0] * Rounding);
        if (options.Rank is { } rank) return Math.Min(rank, significant);
        double budget = Budget(options) * energy;
        double residual = outside;
        int k = singularValues.Count;
        for (; k > 1; k--)
        {
            double next = residual + (singularValues[k - 1] * singularValues[k - 1]);
            if (next > budget) break;
            residual = next;
        }

        return Math.Min(k, significant);
    }

    private static double Budget(RandomizedSvdOptions options) => options.Energy is { } energy ? 1 - energy : options.MaxError!.Value * options.MaxError.Value;

    private static long Padded(long size) => (size + PanelMatrix.PanelColumns - 1) / PanelMatrix.PanelColumns * PanelMatrix.PanelColumns;

    private static double[] Identity(int size)
    {
        double[] identity = new double[size * size];
        for (int i = 0; i < size; i++) identity[(i * size) + i] = 1;
        return identity;
    }

    private static void CheckSize(IRowSource source, long size)
    {
        if (Math.Max(source.Rows, source.Columns) * (decimal)(size + PanelMatrix.PanelColumns) <= Array.MaxLength) return;
        throw new UnsupportedException(
            $"{size} directions of a matrix of {source.Rows} × {source.Columns} are more than an array holds; ask for a lower rank, or a larger error");
    }

    private static NonFiniteException NonFinite() => new("the matrix holds NaN or infinity, or values whose squares are beyond the range of F64; expected finite values");
}
