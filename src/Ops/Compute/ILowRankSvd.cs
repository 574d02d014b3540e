namespace LoraKit.Ops.Compute;

/// <summary>
/// The singular value decomposition of a product of low-rank factors, Left·Right = U·diag(σ)·Vᵀ, made from the factors: nothing of size
/// rows × columns exists. The spectrum is there at once, singular vectors are made for as many values as are kept.
/// </summary>
public interface ILowRankSvd : IDisposable
{
    /// <summary>σ: min(rank, rows, columns) values, not negative, descending; the rest of the spectrum is zero.</summary>
    IReadOnlyList<double> SingularValues { get; }

    /// <summary>The singular vectors of the largest values.</summary>
    /// <param name="rank">How many; at most as many as there are singular values.</param>
    SingularVectors Take(int rank);
}

/// <summary>Singular vectors, orthonormal as columns, also where singular values are zero.</summary>
/// <param name="Rank">How many.</param>
/// <param name="Left">U: [rows, rank], row-major.</param>
/// <param name="Right">V: [columns, rank], row-major.</param>
public sealed record SingularVectors(int Rank, double[] Left, double[] Right);
