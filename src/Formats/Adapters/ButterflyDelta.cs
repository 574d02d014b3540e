using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Adapters.Orthogonal;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// BOFT on the outputs, as LyCORIS has it: W' = d ∘ Sₘ⋯S₁·W. Stage i (from 0) takes the rows in runs of 2ⁱ·b; in each it pairs row k of the first half with row k
/// of the second, and turns every b rows so ordered by their own R = (I + Q)(I − Q)⁻¹, Q = X − Xᵀ. Source: LyCORIS (modules/boft.py), after
/// arXiv 2311.06243. See spec/algebra.md, "BOFT of LyCORIS". (PEFT turns the inputs.)
/// </summary>
public sealed class ButterflyDelta : OutputRotationDelta
{
    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="blocks">X [stages, k, b, b], b even.</param>
    /// <param name="rescale">d [out] or [out, 1…]; null where there is none.</param>
    /// <param name="limit">How far it may turn; null where there is no limit.</param>
    /// <exception cref="InvalidAdapterException">A tensor has no real values, or the shapes contradict each other.</exception>
    public ButterflyDelta(ParameterName target, TensorValue blocks, TensorValue? rescale, OrthogonalLimit? limit)
        : base(target, blocks, 4, "no stages of square blocks; expected [m, k, b, b]", rescale, limit)
    {
        for (int stage = 0; stage < blocks.Shape[0]; stage++)
        {
            if (Size % 2 == 0 && stage < 31 && Rows % ((long)Size << stage) == 0) continue;
            throw Unfit(target, blocks, $"oft_blocks {blocks.Shape}: stage {stage + 1} does not divide {Rows} rows into runs of 2^{stage} · {Size}; expected an even block size, and rows that all stages divide");
        }
    }

    /// <inheritdoc/>
    public override string Kind => "boft";

    private int Size => (int)Blocks.Shape[2];

    /// <summary>Every output depends on every row of W, so the whole of W' is made at once.</summary>
    /// <exception cref="UnsupportedException">The weight is larger than an array.</exception>
    internal override IContribution Prepare(ContributionContext context)
    {
        if ((Int128)context.Rows * context.Columns > Array.MaxLength)
        {
            throw new UnsupportedException($"'{Files.Printable.Text(Target.Path)}': a boft update of a [{context.Rows}, {context.Columns}] weight does not fit in memory");
        }

        int columns = context.Columns;
        double[] values = new double[context.Rows * columns];
        context.Base.Read(0, (int)context.Rows, values);
        double[] skew = SkewBlocks.Read(Blocks, Limit, context);
        int square = Size * Size, perStage = checked((int)Rows / Size);
        for (int i = 0; i < skew.Length / square; i++)
        {
            Turn(values, columns, Cayley.InverseRotation(skew.AsSpan(i * square, square), Size), i / perStage, i % perStage);
        }

        double[] norms = ColumnNorms(values, columns);
        double[]? rescale = Rescale is null ? null : context.Read(Rescale);
        if (rescale is not null) Multiply(values, rescale, columns);
        return new Contribution(values, norms, rescale, columns);
    }

    /// <summary>One block of one stage: its rows times R, in place.</summary>
    private void Turn(double[] values, int columns, double[] rotation, int stage, int block)
    {
        using RowBuffer before = new(Size * columns);
        for (int j = 0; j < Size; j++)
        {
            values.AsSpan(RowOf(stage, (block * Size) + j) * columns, columns).CopyTo(before.Values[(j * columns)..]);
        }

        for (int i = 0; i < Size; i++)
        {
            Span<double> row = values.AsSpan(RowOf(stage, (block * Size) + i) * columns, columns);
            row.Clear();
            for (int j = 0; j < Size; j++)
            {
                RowLoops.AddScaled(before.Values.Slice(j * columns, columns), rotation[(i * Size) + j], row);
            }
        }
    }

    /// <summary>The row that a stage has at a place of its order: in each run the two halves, one row of each in turn.</summary>
    private int RowOf(int stage, int place)
    {
        int half = Size / 2 << stage;
        int inRun = place % (2 * half);
        return place - inRun + (inRun % 2 * half) + (inRun / 2);
    }

    private static double[] ColumnNorms(ReadOnlySpan<double> values, int columns)
    {
        double[] norms = new double[columns];
        for (; !values.IsEmpty; values = values[columns..])
        {
            RowLoops.AddScaledProduct(values[..columns], values[..columns], 1, norms);
        }

        return [.. norms.Select(Math.Sqrt)];
    }

    private static void Multiply(double[] values, double[] rescale, int columns)
    {
        for (int i = 0; i < values.Length; i++)
        {
            values[i] *= rescale[i / columns];
        }
    }

    private sealed class Contribution(double[] values, double[] norms, double[]? rescale, int columns) : IContribution
    {
        public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum)
        {
            RowLoops.AddScaled(@base, -weight, sum);
            RowLoops.AddScaled(values.AsSpan((int)(firstRow * columns), rows * columns), weight, sum);
        }

        /// <summary>Rotations keep the norm of a column, which bounds what cancels in it.</summary>
        public void AddTerms(long firstRow, int rows, double weight, Span<double> sum)
        {
            for (int i = 0; i < rows; i++)
            {
                RowLoops.AddScaled(norms, Math.Abs(weight * (rescale is null ? 1 : rescale[firstRow + i])), sum.Slice(i * columns, columns));
            }
        }

        public void Dispose()
        {
        }
    }
}
