using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// IA³: W' = l ∘ W, a factor for every output or for every input; ΔW = (l − 1) ∘ W. A bias is scaled by output. Source: arXiv 2205.05638; PEFT.
/// See spec/algebra.md, "IA³".
/// </summary>
public sealed class Ia3Delta : AdapterDelta
{
    private readonly long _count;

    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it scales: a weight, or a bias.</param>
    /// <param name="factors">l, one for each output or input, in any shape.</param>
    /// <param name="byInput">Whether it scales inputs (a feed-forward module's).</param>
    /// <exception cref="InvalidAdapterException">The factors are no real numbers, or there are none.</exception>
    public Ia3Delta(ParameterName target, TensorValue factors, bool byInput)
        : base(target)
    {
        RequireValues(target, factors);
        (Factors, ByInput, _count) = (factors, byInput, factors.Shape.ElementCount);
    }

    /// <inheritdoc/>
    public override string Kind => "ia3";

    /// <summary>l.</summary>
    public TensorValue Factors { get; private set; }

    /// <summary>Whether it scales inputs, else outputs.</summary>
    public bool ByInput { get; }

    /// <summary>Whether the file has l − 1, the change itself: LyCORIS.</summary>
    public bool IsChange { get; init; }

    /// <inheritdoc/>
    public override TensorShape? Shape => null;

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => [Factors];

    /// <inheritdoc/>
    public override bool NeedsBase => true;

    /// <inheritdoc/>
    internal override AdapterDelta WithTensors(Func<TensorValue, TensorValue> map)
    {
        Ia3Delta copy = (Ia3Delta)MemberwiseClone();
        copy.Factors = map(Factors);
        return copy;
    }

    /// <inheritdoc/>
    internal override bool Fits(TensorShape weight) => ByInput ? weight.Rank >= 2 && weight[1] == _count : weight.Rank >= 1 && weight[0] == _count;

    /// <inheritdoc/>
    internal override string Wanted => ByInput ? $"[out, {_count}]" : $"[{_count}, in]";

    /// <inheritdoc/>
    internal override IContribution Prepare(ContributionContext context)
    {
        double[] change = [.. context.Read(Factors).Select(l => IsChange ? l : l - 1)];
        if (!ByInput) return new Contribution(context.Columns, change, null);
        int kernel = context.Columns / change.Length;
        return new Contribution(context.Columns, null, [.. change.SelectMany(l => Enumerable.Repeat(l, kernel))]);
    }

    private sealed class Contribution(int columns, double[]? byRow, double[]? byColumn) : IContribution
    {
        public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum)
        {
            for (int i = 0; i < rows; i++)
            {
                ReadOnlySpan<double> row = @base.Slice(i * columns, columns);
                Span<double> to = sum.Slice(i * columns, columns);
                if (byColumn is not null) RowLoops.AddScaledProduct(row, byColumn, weight, to);
                else RowLoops.AddScaled(row, weight * byRow![firstRow + i], to);
            }
        }

        public void Dispose()
        {
        }
    }
}
