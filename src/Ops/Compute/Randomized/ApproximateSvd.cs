namespace LoraKit.Ops.Compute.Randomized;

/// <summary>X ≈ Left·diag(σ)·Rightᵀ, with the error it really has.</summary>
/// <param name="Left">[rows, k], row-major, orthonormal as columns.</param>
/// <param name="SingularValues">σ: k values, positive, descending. None where X is zero.</param>
/// <param name="Right">[columns, k], row-major, orthonormal as columns.</param>
/// <param name="TotalEnergy">‖X‖²_F, summed over all elements in F64.</param>
/// <param name="RelativeError">‖X − Left·diag(σ)·Rightᵀ‖_F / ‖X‖_F; 0 where X is zero.</param>
public sealed record ApproximateSvd(double[] Left, IReadOnlyList<double> SingularValues, double[] Right, double TotalEnergy, double RelativeError)
{
    /// <summary>k.</summary>
    public int Rank => SingularValues.Count;
}
