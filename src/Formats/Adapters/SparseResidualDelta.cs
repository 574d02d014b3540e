using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// Sparse residual: ΔW = Scale · S with S given by its elements that are not 0: what LyCORIS' extraction keeps beside a low rank. Places named twice add up.
/// Source: LyCORIS (utils/__init__.py, <c>bias_indices</c>). See spec/algebra.md, "Sparse residual".
/// </summary>
public sealed class SparseResidualDelta : AdapterDelta
{
    private static readonly double[] One = [1];

    private readonly TensorShape _shape;

    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="indices">[2, n] whole numbers: rows, then columns; LyCORIS stores 16 bits.</param>
    /// <param name="values">[n].</param>
    /// <param name="shape">[out, in·kernel].</param>
    /// <param name="scale">The resolved multiplier; finite.</param>
    /// <exception cref="InvalidAdapterException">The shapes contradict each other, the values are no real numbers, or the scale is not finite.</exception>
    public SparseResidualDelta(ParameterName target, TensorValue indices, TensorValue values, TensorShape shape, double scale)
        : base(target)
    {
        if (!values.DType.IsMergeable() || values.Shape.Rank != 1 || indices.Shape != new TensorShape(2, values.Shape[0]) || values.Shape[0] > Array.MaxLength / 2 || shape.Rank != 2)
        {
            throw Unfit(target, values, $"bias_values {values.DType.FileName()} {values.Shape} and bias_indices {indices.Shape} of a matrix {shape} do not belong together; expected floats [n] and [2, n]");
        }

        IndexValues.RequireType(target, indices);
        RequireScale(target, values, scale, "of the sparse residual");
        (Indices, Values, Scale, _shape) = (indices, values, scale, shape);
    }

    /// <inheritdoc/>
    public override string Kind => "sparse";

    /// <summary>[2, n]: rows, then columns.</summary>
    public TensorValue Indices { get; }

    /// <summary>[n].</summary>
    public TensorValue Values { get; }

    /// <summary>The resolved multiplier.</summary>
    public double Scale { get; }

    /// <inheritdoc/>
    public override TensorShape? Shape => _shape;

    /// <inheritdoc/>
    public override DeltaFacts Facts => new(null, null, Scale);

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => [Values];

    /// <inheritdoc/>
    internal override bool Fits(TensorShape weight) => FitsReshaped(_shape, weight);

    /// <inheritdoc/>
    internal override IContribution Prepare(ContributionContext context)
    {
        double[] values = context.Read(Values);
        int[] rows = new int[values.Length], columns = new int[values.Length];
        IndexValues.Read(Target, Indices, 0, context.Rows, rows);
        IndexValues.Read(Target, Indices, values.Length, context.Columns, columns);
        return new SparsePatches(context.Columns, Scale, values.Select((value, k) => new SparsePatch(rows[k], columns[k], value, One, One)));
    }
}
