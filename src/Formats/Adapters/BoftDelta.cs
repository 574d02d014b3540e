using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Adapters.Orthogonal;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// BOFT: W' = s ∘ (W · Bᵀ) with a butterfly of block-diagonal rotations of the inputs, B = Mₙ ⋯ M₂·M₁, Mᵢ = Pᵢ·diag(Rᵢ)·Pᵢᵀ, and a factor s
/// for every output; ΔW = W' − W. R = (I − Q)(I + Q)⁻¹ of Q = (X − Xᵀ)/2 for a stored square X. Source: arXiv 2311.06243; PEFT. See
/// spec/algebra.md, "BOFT".
/// </summary>
public sealed class BoftDelta : AdapterDelta
{
    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="blocks">X: [stages, blocks, size, size].</param>
    /// <param name="outputs">s: one factor for each output, in any shape.</param>
    /// <exception cref="InvalidAdapterException">The tensors are no real numbers, or there is no butterfly of so many stages and blocks.</exception>
    public BoftDelta(ParameterName target, TensorValue blocks, TensorValue outputs)
        : base(target)
    {
        RequireValues(target, blocks);
        RequireValues(target, outputs);
        if (blocks.Shape.Rank != 4 || blocks.Shape[2] != blocks.Shape[3]) throw Unfit(target, blocks, $"{blocks.Name} is {blocks.Shape}; expected [stages, blocks, b, b]");
        (long stages, long count, long size) = (blocks.Shape[0], blocks.Shape[1], blocks.Shape[2]);
        if (stages > 1 && (size % 2 != 0 || stages > 62 || count % (1L << (int)(stages - 1)) != 0))
        {
            throw Unfit(target, blocks, $"{blocks.Name} is {blocks.Shape}: {count} blocks of {size} have no butterfly of {stages} stages; expected an even block size and a multiple of 2^{stages - 1} blocks");
        }

        (Blocks, Outputs) = (blocks, outputs);
    }

    /// <inheritdoc/>
    public override string Kind => "boft";

    /// <summary>X: [stages, blocks, size, size].</summary>
    public TensorValue Blocks { get; }

    /// <summary>s: one factor for each output.</summary>
    public TensorValue Outputs { get; }

    /// <inheritdoc/>
    public override TensorShape? Shape => null;

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => [Blocks, Outputs];

    /// <inheritdoc/>
    public override bool NeedsBase => true;

    /// <inheritdoc/>
    internal override bool MixesInputs => true;

    /// <inheritdoc/>
    internal override string Wanted => $"[{Outputs.Shape.ElementCount}, {Blocks.Shape[1]} · {Blocks.Shape[2]}]";

    /// <inheritdoc/>
    internal override bool Fits(TensorShape weight)
    {
        if (weight.Rank < 2 || weight[0] != Outputs.Shape.ElementCount) return false;
        long columns = weight.AsMatrix().Columns;
        return columns % Blocks.Shape[2] == 0 && columns / Blocks.Shape[2] == Blocks.Shape[1];
    }

    /// <inheritdoc/>
    internal override IContribution Prepare(ContributionContext context)
    {
        double[] squares = context.Read(Blocks);
        int stages = checked((int)Blocks.Shape[0]), count = (int)Blocks.Shape[1], size = (int)Blocks.Shape[2], length = size * size;
        List<Stage> butterfly = [];
        for (int stage = 0; stage < stages; stage++)
        {
            double[] blocks = new double[count * length];
            for (int k = 0; k < count; k++)
            {
                double[] skew = SkewSymmetric.OfDifference(squares.AsSpan(((stage * count) + k) * length, length), size, 0.5);
                // R·x of a column is x·Rᵀ of a row, and Rᵀ is R's inverse.
                Cayley.InverseRotation(skew, size).CopyTo(blocks.AsSpan(k * length));
            }

            butterfly.Add(new(new BlockDiagonal(blocks, size), stage == 0 ? null : Butterfly.Order(context.Columns, count >> stage, size / 2)));
        }

        return new Contribution(context.Columns, butterfly, context.Read(Outputs));
    }

    /// <summary>One factor of the butterfly; no order where it takes the inputs as they lie.</summary>
    private sealed record Stage(BlockDiagonal Blocks, int[]? Order);

    private sealed class Contribution(int columns, List<Stage> butterfly, double[] outputs) : IContribution
    {
        public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum)
        {
            int strip = Math.Min(rows, RowLoops.StripRows(columns));
            using RowBuffer one = new(strip * columns), two = new(strip * columns);
            for (int row = 0; row < rows; row += strip)
            {
                int now = Math.Min(strip, rows - row);
                ReadOnlySpan<double> before = @base.Slice(row * columns, now * columns);
                Span<double> turned = one.Values[..before.Length], other = two.Values[..before.Length];
                before.CopyTo(turned);
                foreach (Stage stage in butterfly)
                {
                    Turn(stage, ref turned, ref other);
                }

                Span<double> to = sum.Slice(row * columns, now * columns);
                RowLoops.AddScaledDifference(turned, before, weight, to);
                for (int i = 0; i < now; i++)
                {
                    Range values = (i * columns)..((i + 1) * columns);
                    RowLoops.AddScaled(turned[values], weight * (outputs[firstRow + row + i] - 1), to[values]);
                }
            }
        }

        /// <summary>The rows times one factor of the butterfly; the two buffers change places as needed.</summary>
        private void Turn(Stage stage, ref Span<double> rows, ref Span<double> other)
        {
            if (stage.Order is null)
            {
                stage.Blocks.Multiply(rows, columns, other);
                Span<double> turned = other;
                other = rows;
                rows = turned;
                return;
            }

            for (int at = 0; at < rows.Length; at += columns) Butterfly.Scatter(rows.Slice(at, columns), stage.Order, other.Slice(at, columns));
            stage.Blocks.Multiply(other, columns, rows);
            for (int at = 0; at < rows.Length; at += columns) Butterfly.Gather(rows.Slice(at, columns), stage.Order, other.Slice(at, columns));
            Span<double> gathered = other;
            other = rows;
            rows = gathered;
        }

        public void Dispose()
        {
        }
    }
}
