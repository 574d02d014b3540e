using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>One factor of a Kronecker product: a matrix in full, or a product of low rank.</summary>
/// <param name="Up">The matrix [out, in, …kernel] where <paramref name="Down"/> is null, else its left factor [out, r].</param>
/// <param name="Down">The right factor [r, in, …kernel]; null where the matrix is stored in full.</param>
public readonly record struct KroneckerFactor(TensorValue Up, TensorValue? Down = null)
{
    /// <summary>[out, in, …kernel].</summary>
    public TensorShape Shape => Down is null ? Up.Shape : new([Up.Shape[0], .. Down.Shape.Sizes.AsSpan()[1..]]);

    internal int Rows => (int)Up.Shape[0];

    internal int Columns => (int)Shape.AsMatrix().Columns;

    // A factor no larger than this is kept as values: its rows are asked for again and again.
    private const long MostKept = 1 << 20;

    /// <summary>The most its rank can be.</summary>
    internal int Rank => Down is null ? Math.Min(Rows, Columns) : (int)Down.Shape[0];

    internal IEnumerable<TensorValue> Parts => Down is null ? Up.Parts : [.. Up.Parts, .. Down.Parts];

    /// <summary>The left side [out, rank] of an exact product: of a matrix in full the matrix itself or the identity, whichever is smaller.</summary>
    internal double[] Left() => Down is not null || Rows > Columns ? Up.ToDoubles() : Identity(Rows);

    /// <summary>The right side [rank, in·kernel].</summary>
    internal double[] Right() => Down is not null ? Down.ToDoubles() : Rows > Columns ? Identity(Columns) : Up.ToDoubles();

    /// <summary>Its rows, when they are asked for.</summary>
    internal IProductRows RowsBy(ContributionContext context)
    {
        bool kept = (Int128)Rows * Columns <= MostKept;
        if (Down is null) return kept ? new KeptRows(context.Read(Up), Columns) : new StoredRows(Up, Columns, context.Arithmetic);
        IProductRows product = context.Arithmetic.Product(Rows, Columns, Rank, context.Read(Up), context.Read(Down));
        if (!kept) return product;
        double[] values = new double[Rows * Columns];
        product.Fill(0, Rows, values);
        product.Dispose();
        return new KeptRows(values, Columns);
    }

    /// <summary>Upper bounds of Σ|terms| of its elements, by rows; of a matrix in full the elements themselves.</summary>
    internal IProductRows BoundsBy(ContributionContext context) => Down is null ? RowsBy(context) : new Bounds(new(context.Read(Up), context.Read(Down), Rows, Columns));

    private static double[] Identity(int size)
    {
        double[] values = new double[size * size];
        for (int i = 0; i < size; i++)
        {
            values[(i * size) + i] = 1;
        }

        return values;
    }

    private sealed class KeptRows(double[] values, int columns) : IProductRows
    {
        public void Fill(long firstRow, int rows, Span<double> product) => values.AsSpan((int)(firstRow * columns), rows * columns).CopyTo(product);

        public void Dispose()
        {
        }
    }

    private sealed class StoredRows(TensorValue matrix, int columns, IContributionArithmetic arithmetic) : IProductRows
    {
        public void Fill(long firstRow, int rows, Span<double> product) => arithmetic.Read(matrix, firstRow * columns, product[..(rows * columns)]);

        public void Dispose()
        {
        }
    }

    private sealed class Bounds(FactorNorms norms) : IProductRows
    {
        public void Fill(long firstRow, int rows, Span<double> product)
        {
            product.Clear();
            norms.Add(firstRow, rows, 1, product);
        }

        public void Dispose()
        {
        }
    }
}
