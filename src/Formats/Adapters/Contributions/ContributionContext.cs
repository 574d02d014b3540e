using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters.Contributions;

/// <summary>What an update meets when it is applied.</summary>
/// <param name="Weight">The weight's shape as [out, in, …kernel] (turned where the base stores it the other way).</param>
/// <param name="Rows">Rows of the weight as a matrix: out, or experts × rows.</param>
/// <param name="Columns">Columns of the weight as a matrix: in · kernel.</param>
/// <param name="BaseRows">The base's values; null where they are not to be had, and then only updates that do not need them are prepared.</param>
/// <param name="Arithmetic">What to compute with.</param>
internal sealed record ContributionContext(TensorShape Weight, long Rows, int Columns, IBaseRows? BaseRows, IContributionArithmetic Arithmetic)
{
    /// <summary>The base's values.</summary>
    /// <exception cref="InvalidOperationException">There are none: a kind that needs them says so by <see cref="AdapterDelta.NeedsBase"/>.</exception>
    public IBaseRows Base => BaseRows ?? throw new InvalidOperationException("the base is not at hand");

    /// <summary>All values of a tensor, checked to be finite.</summary>
    public double[] Read(TensorValue tensor) => Arithmetic.Read(tensor);
}
