using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// UniLoRA: ΔW = B·A with A[k, i] = θ[index[k, i]] · scale[k, i] and B likewise, θ one vector for the whole model. Source: arXiv 2506.00799;
/// PEFT. See spec/algebra.md, "UniLoRA".
/// </summary>
public sealed class UniLoraDelta : FactoredDelta
{
    private readonly TensorValue _theta;

    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="theta">θ: [d].</param>
    /// <param name="down">Indices and scales of A: [r, in] each.</param>
    /// <param name="up">Indices and scales of B: [out, r] each.</param>
    /// <exception cref="InvalidAdapterException">θ or the scales have no real values, the indices are no whole numbers, or the shapes do not chain.</exception>
    public UniLoraDelta(ParameterName target, TensorValue theta, (TensorValue Indices, TensorValue Scales) down, (TensorValue Indices, TensorValue Scales) up)
        : base(target, Gathered(target, theta, down), Gathered(target, theta, up), 1) => _theta = theta;

    /// <inheritdoc/>
    public override string Kind => "unilora";

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => [.. Down.Parts, .. Up.Parts, _theta];

    private static RowTensor Gathered(ParameterName target, TensorValue theta, (TensorValue Indices, TensorValue Scales) factor)
    {
        RequireValues(target, theta);
        RequireValues(target, factor.Scales);
        IndexValues.RequireType(target, factor.Indices);
        TensorShape shape = factor.Scales.Shape;
        if (theta.Shape.Rank != 1 || shape.Rank != 2 || factor.Indices.Shape != shape || !RowTensor.Fits(shape[1]))
        {
            throw Unfit(target, factor.Scales, $"unilora_theta_d {theta.Shape}, indices {factor.Indices.Shape} and scales {shape} do not belong together; expected [d] and two matrices of one shape");
        }

        return new(factor.Scales.Name, shape, [factor.Scales], () =>
        {
            double[] values = theta.ToDoubles(), scales = factor.Scales.ToDoubles();
            int[] positions = new int[shape[1]];
            return (row, gathered) =>
            {
                IndexValues.Read(target, factor.Indices, row * positions.Length, values.Length, positions);
                for (int i = 0; i < gathered.Length; i++)
                {
                    gathered[i] = values[positions[i]] * scales[(row * positions.Length) + i];
                }
            };
        });
    }
}
