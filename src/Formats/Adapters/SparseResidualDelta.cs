using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// ΔW = Scale · S with S given by its elements that are not 0: what LyCORIS' extraction keeps beside a low rank. Places named twice add up.
/// Source: LyCORIS (utils/__init__.py, <c>bias_indices</c>). See spec/algebra.md, "Sparse residual".
/// </summary>
public sealed class SparseResidualDelta : AdapterDelta
{
    private readonly TensorShape _shape;

    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="indices">[2, n] whole numbers: rows, then columns.</param>
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
        double[] values = context.Read(Values), places = RealNumber.DecodeAll(Indices) ?? [];
        int[] rows = Places(places.AsSpan(..(places.Length / 2)), context.Rows, "row");
        int[] columns = Places(places.AsSpan((places.Length / 2)..), context.Columns, "column");
        int[] order = [.. Enumerable.Range(0, rows.Length).OrderBy(i => rows[i])]; // Stable: what is named twice is added in the file's order.
        return new Contribution(
            [.. order.Select(i => rows[i])], [.. order.Select(i => columns[i])], [.. order.Select(i => values[i])], context.Columns, Scale);
    }

    private int[] Places(ReadOnlySpan<double> numbers, long count, string what)
    {
        int[] places = new int[numbers.Length];
        for (int i = 0; i < places.Length; i++)
        {
            if (!(numbers[i] >= 0 && numbers[i] < count && double.IsInteger(numbers[i])))
            {
                throw Unfit(Target, Indices, $"{what} {numbers[i]} of '{Printable.Text(Indices.Name)}' is not in a weight of {count}; expected whole numbers from 0 on");
            }

            places[i] = (int)numbers[i];
        }

        return places;
    }

    private sealed class Contribution(int[] rows, int[] columns, double[] values, int width, double scale) : IContribution
    {
        public void Add(long firstRow, int count, double weight, ReadOnlySpan<double> @base, Span<double> sum)
        {
            int start = Array.BinarySearch(rows, (int)firstRow);
            if (start < 0) start = ~start;
            while (start > 0 && rows[start - 1] == firstRow) start--;
            for (int i = start; i < rows.Length && rows[i] < firstRow + count; i++)
            {
                sum[((int)(rows[i] - firstRow) * width) + columns[i]] += values[i] * (scale * weight);
            }
        }

        public void Dispose()
        {
        }
    }
}
