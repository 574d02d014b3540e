using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// DeLoRA: ΔW = B · diag(λ / r / (‖Aᵢ‖·‖Bᵢ‖)) · A · diag(n), both norms at least 10⁻⁴; n are the norms of the base's columns when training
/// began, which the file has. Source: arXiv 2503.18225; PEFT. See spec/algebra.md, "DeLoRA".
/// </summary>
public sealed class DeloraDelta : FactoredDelta
{
    private const double LeastNorm = 1e-4;

    private readonly IReadOnlyList<TensorValue> _tensors;

    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="down">A: [r, in].</param>
    /// <param name="up">B: [out, r].</param>
    /// <param name="strength">λ: one element.</param>
    /// <param name="columnNorms">n: [in].</param>
    /// <exception cref="InvalidAdapterException">A tensor has no real values, or the shapes do not belong together.</exception>
    public DeloraDelta(ParameterName target, TensorValue down, TensorValue up, TensorValue strength, TensorValue columnNorms)
        : base(target, Normalised(target, down, up, strength, columnNorms), up, 1) => _tensors = [down, up, strength, columnNorms];

    /// <inheritdoc/>
    public override string Kind => "delora";

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => _tensors;

    private static RowTensor Normalised(ParameterName target, TensorValue down, TensorValue up, TensorValue strength, TensorValue columnNorms)
    {
        foreach (TensorValue tensor in (ReadOnlySpan<TensorValue>)[down, up, strength, columnNorms])
        {
            RequireValues(target, tensor);
        }

        bool fits = down.Shape.Rank == 2 && up.Shape.Rank == 2 && up.Shape[1] == down.Shape[0] && strength.Shape.ElementCount == 1 && columnNorms.Shape.ElementCount == down.Shape[1];
        if (!fits)
        {
            throw Unfit(target, down, $"A {down.Shape}, B {up.Shape}, lambda {strength.Shape} and w_norm {columnNorms.Shape} do not belong together; expected [r, in], [out, r], [1] and [in]");
        }

        return new(down.Name, down.Shape, [down, up, strength, columnNorms], () =>
        {
            double[] rows = down.ToDoubles(), norms = columnNorms.ToDoubles(), lengths = ColumnLengths(up);
            double each = strength.ToDoubles()[0] / lengths.Length;
            return (row, result) =>
            {
                ReadOnlySpan<double> a = rows.AsSpan((int)row * result.Length, result.Length);
                double length = RowLoops.Norm(a);
                result.Clear();
                RowLoops.AddScaledProduct(a, norms, each / (Math.Max(length, LeastNorm) * Math.Max(lengths[row], LeastNorm)), result);
            };
        });
    }

    private static double[] ColumnLengths(TensorValue matrix)
    {
        double[] values = matrix.ToDoubles(), lengths = new double[matrix.Shape[1]];
        for (int i = 0; i < values.Length; i += lengths.Length)
        {
            ReadOnlySpan<double> row = values.AsSpan(i, lengths.Length);
            RowLoops.AddScaledProduct(row, row, 1, lengths);
        }

        return [.. lengths.Select(Math.Sqrt)];
    }
}
