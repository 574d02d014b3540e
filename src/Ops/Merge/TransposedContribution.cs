using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Merge;

/// <summary>
/// ΔWᵀ for a base that stores [in, out]: the update is made whole, as [out, in], and read by columns. Conv1D of transformers alone is stored
/// so, in models of the size of GPT-2.
/// </summary>
internal sealed class TransposedContribution(double[] update, IContribution contribution, int outputs, int inputs) : IContribution
{
    private const int PieceRows = 16;

    private readonly Lazy<double[]> _terms = new(() => Whole((row, now, piece) => contribution.AddTerms(row, now, 1, piece), outputs, inputs));

    /// <param name="delta">The update, of a weight [out, in].</param>
    /// <param name="rows">Rows as stored: in.</param>
    /// <param name="columns">Columns as stored: out.</param>
    /// <param name="stored">The base as it is stored; null where the update does not need it.</param>
    /// <param name="arithmetic">What to compute with.</param>
    /// <exception cref="UnsupportedException">The matrix is larger than an array.</exception>
    public static TransposedContribution Of(AdapterDelta delta, long rows, int columns, IBaseRows? stored, IContributionArithmetic arithmetic)
    {
        if ((Int128)rows * columns > Array.MaxLength)
        {
            throw new UnsupportedException($"'{Formats.Files.Printable.Text(delta.Target.Path)}': a {delta.Kind} update of a [{rows}, {columns}] weight stored transposed does not fit in memory");
        }

        int inputs = (int)rows;
        TurnedRows? weight = stored is null ? null : TurnedRows.Of(stored, inputs, columns);
        ContributionContext context = new(new TensorShape(columns, inputs), columns, inputs, weight, arithmetic);
        IContribution contribution = delta.Prepare(context);
        double[] update = Whole((row, now, piece) => contribution.Add(row, now, 1, weight is null ? default : weight.Values.AsSpan(row * inputs, piece.Length), piece), columns, inputs);
        return new(update, contribution, columns, inputs);
    }

    public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum) => AddTurned(update, firstRow, rows, weight, sum);

    public void AddTerms(long firstRow, int rows, double weight, Span<double> sum) => AddTurned(_terms.Value, firstRow, rows, Math.Abs(weight), sum);

    public void Dispose() => contribution.Dispose();

    private void AddTurned(double[] values, long firstRow, int rows, double weight, Span<double> sum)
    {
        for (int i = 0; i < rows; i++)
        {
            Span<double> row = sum.Slice(i * outputs, outputs);
            for (int j = 0; j < outputs; j++)
            {
                row[j] += weight * values[((long)j * inputs) + firstRow + i];
            }
        }
    }

    private delegate void Rows(int firstRow, int rows, Span<double> piece);

    private static double[] Whole(Rows add, int outputs, int inputs)
    {
        double[] whole = new double[(long)outputs * inputs];
        for (int row = 0; row < outputs; row += PieceRows)
        {
            int now = Math.Min(PieceRows, outputs - row);
            add(row, now, whole.AsSpan(row * inputs, now * inputs));
        }

        return whole;
    }
}
