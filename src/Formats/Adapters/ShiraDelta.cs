using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// SHiRA: ΔW[rowₖ, columnₖ] = valueₖ, all else 0; positions named twice add up. Source: Sparse High Rank Adapters (arXiv 2406.13175); PEFT.
/// See spec/algebra.md, "SHiRA".
/// </summary>
public sealed class ShiraDelta : AdapterDelta
{
    private static readonly double[] One = [1];

    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="values">The values [n].</param>
    /// <param name="indices">Rows and columns [2, n]: whole numbers of 32 or 64 bits, or F32 as PEFT saves them on Windows.</param>
    /// <exception cref="InvalidAdapterException">The values are no real numbers, or the shapes or the type of the indices are others.</exception>
    public ShiraDelta(ParameterName target, TensorValue values, TensorValue indices)
        : base(target)
    {
        RequireValues(target, values);
        bool pairs = values.Shape.Rank == 1 && indices.Shape == new TensorShape(2, values.Shape[0]) && RowTensor.Fits(2, values.Shape[0]);
        if (!pairs) throw Unfit(target, values, $"values {values.Shape} and indices {indices.Shape} do not belong together; expected [n] and [2, n]");
        IndexValues.RequireType(target, indices);
        (Values, Indices) = (values, indices);
    }

    /// <inheritdoc/>
    public override string Kind => "shira";

    /// <summary>The values [n].</summary>
    public TensorValue Values { get; }

    /// <summary>Rows and columns [2, n].</summary>
    public TensorValue Indices { get; }

    /// <inheritdoc/>
    public override TensorShape? Shape => null;

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => [Values];

    /// <inheritdoc/>
    internal override bool Fits(TensorShape weight) => weight.Rank == 2;

    /// <inheritdoc/>
    internal override string Wanted => "a matrix";

    /// <inheritdoc/>
    internal override IContribution Prepare(ContributionContext context)
    {
        double[] values = context.Read(Values);
        int[] rows = new int[values.Length], columns = new int[values.Length];
        IndexValues.Read(Target, Indices, 0, context.Rows, rows);
        IndexValues.Read(Target, Indices, values.Length, context.Columns, columns);
        return new SparsePatches(context.Columns, 1, values.Select((value, k) => new SparsePatch(rows[k], columns[k], value, One, One)));
    }
}
