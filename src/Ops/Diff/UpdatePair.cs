using System.Runtime.InteropServices;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Merge;

namespace LoraKit.Ops.Diff;

/// <summary>
/// Two updates ΔW of one module. Rows of both are formed in F64, a few at a time, from the factors. Factors may differ where the update is the same, so
/// elements count as equal where |a − b| is within what rounding the sums can do: (r + 2) · 2⁻⁵² times both sides' <see cref="FactorNorms.Bound"/>.
/// </summary>
internal sealed class UpdatePair : ComparedPair
{
    private readonly AdapterDelta _a;
    private readonly AdapterDelta _b;
    private readonly TensorShape _shapeA;
    private readonly TensorShape _shapeB;
    private readonly ICompute _compute;
    private readonly int _tileElements;

    public UpdatePair(AdapterDelta a, AdapterDelta b, ICompute compute, int tileElements)
        : base(a.Target.Label)
    {
        (_a, _b) = (a, b);
        (_shapeA, _shapeB) = (UpdateProduct.ShapeOf(a), UpdateProduct.ShapeOf(b));
        _compute = compute;
        _tileElements = tileElements;
    }

    public override DiffStatus Known => _shapeA == _shapeB ? DiffStatus.Equal : DiffStatus.Shape;

    public override string? Detail => Known == DiffStatus.Shape ? $"{_shapeA} and {_shapeB}" : null;

    public override bool IsComparable => Known != DiffStatus.Shape;

    public override long Elements => IsComparable ? _shapeA.ElementCount : 0;

    public override int ElementBytes => sizeof(double);

    // The factors are read once for all rows.
    public override long PieceElements(int preferred) => Math.Max(1, Elements);

    public override DiffSums Compare(long first, long count, CancellationToken cancellation)
    {
        LowRankProduct a = UpdateProduct.Of(_a), b = UpdateProduct.Of(_b);
        using IPreparedProduct preparedA = _compute.Prepare(a), preparedB = _compute.Prepare(b);
        FactorNorms normsA = a.Norms(), normsB = b.Norms();
        double rounding = (Math.Max(a.Rank, b.Rank) + 2) * Math.ScaleB(1, -52);
        int columns = a.Columns;
        int rowsPerTile = (int)Math.Clamp(_tileElements / columns, 1, a.Rows);
        double[] zeros = new double[rowsPerTile * columns], valuesA = new double[zeros.Length], valuesB = new double[zeros.Length];
        DiffSums sums = new();
        for (long row = 0; row < a.Rows; row += rowsPerTile)
        {
            cancellation.ThrowIfCancellationRequested();
            int rows = (int)Math.Min(rowsPerTile, a.Rows - row);
            Span<double> x = Rows(preparedA, row, rows, zeros, valuesA), y = Rows(preparedB, row, rows, zeros, valuesB);
            for (int i = 0; i < rows; i++)
            {
                Level(x.Slice(i * columns, columns), y.Slice(i * columns, columns), row + i);
            }

            sums.AddNumbers(x, y);
        }

        return sums;

        void Level(ReadOnlySpan<double> one, Span<double> other, long line)
        {
            for (int j = 0; j < one.Length; j++)
            {
                if (one[j] != other[j] && Math.Abs(one[j] - other[j]) <= rounding * (normsA.Bound(line, j) + normsB.Bound(line, j))) other[j] = one[j];
            }
        }
    }

    private Span<double> Rows(IPreparedProduct product, long first, int rows, double[] zeros, double[] values)
    {
        Span<double> result = values.AsSpan(0, rows * product.Columns);
        Tile tile = new()
        {
            Source = MemoryMarshal.AsBytes(zeros.AsSpan(0, result.Length)),
            SourceType = DType.F64,
            Destination = MemoryMarshal.AsBytes(result),
            DestinationType = DType.F64,
            Rows = rows,
            Columns = product.Columns,
        };
        _compute.AddProduct(tile, product, first);
        return result;
    }
}
