using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters.Contributions;

/// <summary>What kinds compute with, brought by who merges. The same bits on every machine.</summary>
internal interface IContributionArithmetic
{
    /// <summary>All values of a tensor, checked to be finite.</summary>
    /// <exception cref="NonFiniteException">One is not.</exception>
    double[] Read(TensorValue tensor);

    /// <summary>Some values of a tensor, checked to be finite.</summary>
    /// <param name="tensor">Where they are.</param>
    /// <param name="first">The first element, row-major.</param>
    /// <param name="values">As many as it is long.</param>
    /// <exception cref="NonFiniteException">One is not.</exception>
    void Read(TensorValue tensor, long first, Span<double> values);

    /// <summary>Left [rows, rank] · Right [rank, columns], row-major, by rows when they are asked for.</summary>
    IProductRows Product(long rows, int columns, int rank, double[] left, double[] right);

    /// <summary>Σ xᵢ·yᵢ.</summary>
    double Dot(ReadOnlySpan<double> x, ReadOnlySpan<double> y);

    /// <summary>Of a matrix [rows, columns], row-major, singular triplets [first, first + count) in descending order of their values.</summary>
    /// <exception cref="LoraKitException">A value is not finite, or it is too large to be decomposed.</exception>
    SingularPart Singular(double[] matrix, int rows, int columns, int first, int count);
}

/// <summary>Rows of a product of two matrices in F64; from several threads at once.</summary>
internal interface IProductRows : IDisposable
{
    /// <summary>product[i, :] = Σₖ Left[firstRow + i, k] · Right[k, :].</summary>
    void Fill(long firstRow, int rows, Span<double> product);
}

/// <summary>Some singular triplets of a matrix.</summary>
/// <param name="Left">Orthonormal columns u, [rows, count], row-major.</param>
/// <param name="Values">σ.</param>
/// <param name="Right">Orthonormal rows v, [count, columns], row-major.</param>
internal sealed record SingularPart(double[] Left, double[] Values, double[] Right);
