using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Adapters.Orthogonal;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// Diag-OFT: the outputs of each block of n rows are turned, W'ₖ = dₖ ∘ Rₖᵀ·Wₖ with R = (I + Q)(I − Q)⁻¹, Q = X − Xᵀ; d is 1 where the file has no
/// rescale. Source: LyCORIS (modules/diag_oft.py), sd-scripts (networks/oft.py), after arXiv 2306.07280. See spec/algebra.md, "Diag-OFT".
/// </summary>
public sealed class DiagOftDelta : OutputRotationDelta
{
    private const int PieceElements = 1 << 16;

    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="blocks">X [k, n, n].</param>
    /// <param name="rescale">d [out] or [out, 1…]; null where there is none.</param>
    /// <param name="limit">How far it may turn; null where there is no limit.</param>
    /// <exception cref="InvalidAdapterException">A tensor has no real values, or the shapes contradict each other.</exception>
    public DiagOftDelta(ParameterName target, TensorValue blocks, TensorValue? rescale, OrthogonalLimit? limit)
        : base(target, blocks, 3, "no list of square blocks; expected [k, n, n]", rescale, limit)
    {
    }

    /// <inheritdoc/>
    public override string Kind => "diag-oft";

    /// <inheritdoc/>
    internal override IContribution Prepare(ContributionContext context)
    {
        int size = checked((int)Blocks.Shape[1]);
        double[] turned = SkewBlocks.Read(Blocks, Limit, context);
        double[]? rescale = Rescale is null ? null : context.Read(Rescale);
        for (int start = 0; start < turned.Length; start += size * size)
        {
            Span<double> block = turned.AsSpan(start, size * size);
            Cayley.Rotation(block, size).CopyTo(block);
            for (int i = 0; i < size; i++)
            {
                Span<double> row = block.Slice(i * size, size);
                double factor = rescale is null ? 1 : rescale[(start / size) + i];
                for (int j = 0; j < size; j++)
                {
                    row[j] *= factor;
                }

                row[i] -= 1;
            }
        }

        return new Contribution(turned, size, context);
    }

    /// <summary>Rows of (d ∘ Rᵀ − I)·W: each is made from the rows of its block, in order.</summary>
    private sealed class Contribution(double[] matrices, int size, ContributionContext context) : IContribution
    {
        public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum) => AddRows(firstRow, rows, weight, false, sum);

        public void AddTerms(long firstRow, int rows, double weight, Span<double> sum) => AddRows(firstRow, rows, Math.Abs(weight), true, sum);

        public void Dispose()
        {
        }

        private void AddRows(long firstRow, int rows, double weight, bool magnitudes, Span<double> sum)
        {
            for (long block = firstRow / size; block * size < firstRow + rows; block++)
            {
                long from = Math.Max(firstRow, block * size), to = Math.Min(firstRow + rows, (block + 1) * size);
                AddBlock(block, from, to, weight, magnitudes, sum.Slice((int)(from - firstRow) * context.Columns, (int)(to - from) * context.Columns));
            }
        }

        private void AddBlock(long block, long from, long to, double weight, bool magnitudes, Span<double> sum)
        {
            int columns = context.Columns;
            int most = Math.Clamp(PieceElements / columns, 1, size);
            using RowBuffer buffer = new(most * columns);
            for (int first = 0; first < size; first += most)
            {
                int now = Math.Min(most, size - first);
                Span<double> piece = buffer.Values[..(now * columns)];
                context.Base.Read((block * size) + first, now, piece);
                if (magnitudes) RowLoops.Magnitudes(piece);
                for (long row = from; row < to; row++)
                {
                    ReadOnlySpan<double> factors = matrices.AsSpan((int)(row * size) + first, now);
                    for (int j = 0; j < now; j++)
                    {
                        double factor = weight * (magnitudes ? Math.Abs(factors[j]) : factors[j]);
                        RowLoops.AddScaled(piece.Slice(j * columns, columns), factor, sum.Slice((int)(row - from) * columns, columns));
                    }
                }
            }
        }
    }
}
