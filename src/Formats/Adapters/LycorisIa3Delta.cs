using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// IA³ as LyCORIS stores it: ΔW = W ∘ v, one v for each output row, or for each input column. PEFT stores 1 + v. Source: LyCORIS
/// (modules/ia3.py). See spec/algebra.md, "IA³ of LyCORIS".
/// </summary>
public sealed class LycorisIa3Delta : AdapterDelta
{
    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="values">v, of any shape: [dim], [1, dim, 1, 1].</param>
    /// <param name="isOnInput">Whether there is a value for each input rather than for each output.</param>
    /// <exception cref="InvalidAdapterException">The values are no real numbers, or more than one size is above 1.</exception>
    public LycorisIa3Delta(ParameterName target, TensorValue values, bool isOnInput)
        : base(target)
    {
        RequireValues(target, values);
        if (values.Shape.Sizes.Count(size => size > 1) > 1) throw Unfit(target, values, $"weight {values.Shape} of IA³ is no vector; expected [dim] or [1, dim, 1…]");
        (Values, IsOnInput) = (values, isOnInput);
    }

    /// <inheritdoc/>
    public override string Kind => "ia3";

    /// <summary>v.</summary>
    public TensorValue Values { get; }

    /// <summary>Whether there is a value for each input rather than for each output.</summary>
    public bool IsOnInput { get; }

    /// <summary>Null: only the base tells.</summary>
    public override TensorShape? Shape => null;

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => [Values];

    /// <inheritdoc/>
    public override bool NeedsBase => true;

    /// <inheritdoc/>
    internal override string Wanted => $"a weight of {Values.Shape.ElementCount} {(IsOnInput ? "inputs" : "outputs")}";

    /// <inheritdoc/>
    internal override bool Fits(TensorShape weight) => weight.Rank >= 2 && weight[IsOnInput ? 1 : 0] == Values.Shape.ElementCount;

    /// <inheritdoc/>
    internal override IContribution Prepare(ContributionContext context)
    {
        double[] values = context.Read(Values);
        return IsOnInput ? new Columns(Spread(values, context.Columns)) : new Rows(values, context.Columns);
    }

    private static double[] Spread(double[] inputs, int columns)
    {
        int positions = columns / inputs.Length;
        double[] spread = new double[columns];
        for (int i = 0; i < columns; i++)
        {
            spread[i] = inputs[i / positions];
        }

        return spread;
    }

    private sealed class Rows(double[] values, int columns) : IContribution
    {
        public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum)
        {
            for (int i = 0; i < rows; i++)
            {
                Range row = (i * columns)..((i + 1) * columns);
                RowLoops.AddScaled(@base[row], weight * values[firstRow + i], sum[row]);
            }
        }

        public void Dispose()
        {
        }
    }

    private sealed class Columns(double[] values) : IContribution
    {
        public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum)
        {
            for (int i = 0; i < rows; i++)
            {
                Range row = (i * values.Length)..((i + 1) * values.Length);
                RowLoops.AddScaledProduct(@base[row], values, weight, sum[row]);
            }
        }

        public void Dispose()
        {
        }
    }
}
