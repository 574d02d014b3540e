using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Merge;

/// <summary>
/// All updates of one tensor, shared by its tiles and read by whoever comes first: those of low rank as one product, which a backend adds,
/// the others row by row in F64. Each is taken of the same base, whatever order they are named in.
/// </summary>
internal sealed class TensorUpdates : IDisposable
{
    private readonly Lock _preparing = new();
    private readonly string _name;
    private readonly TensorShape _shape;
    private readonly IReadOnlyList<WeightedDelta> _factored;
    private readonly IReadOnlyList<WeightedDelta> _others;
    private readonly bool _inDoubles;
    private readonly Func<IBaseRows>? _base;
    private IPreparedProduct? _product;
    private List<(IContribution Rows, double Weight)>? _contributions;
    private IBaseRows? _baseRows;

    /// <param name="name">The tensor's, for messages.</param>
    /// <param name="shape">The tensor's.</param>
    /// <param name="deltas">Its updates, in order.</param>
    /// <param name="inDoubles">Whether low-rank updates are summed in F64.</param>
    /// <param name="base">The base's values as they are stored; null where no update needs them.</param>
    public TensorUpdates(string name, TensorShape shape, IReadOnlyList<WeightedDelta> deltas, bool inDoubles, Func<IBaseRows>? @base)
    {
        _name = name;
        _shape = shape;
        _factored = [.. deltas.Where(d => d.IsProduct)];
        _others = [.. deltas.Where(d => !d.IsProduct)];
        _inDoubles = inDoubles;
        _base = @base;
        (Rows, Columns) = shape.AsMatrix(RowDimensions(deltas));
        NeedsBase = _others.Any(d => d.Delta.NeedsBase);
    }

    /// <summary>Rows of the tensor as a matrix.</summary>
    public long Rows { get; }

    /// <summary>Columns of the tensor as a matrix.</summary>
    public long Columns { get; }

    /// <summary>Whether there are updates that a backend adds.</summary>
    public bool HasProduct => _factored.Count > 0;

    /// <summary>Whether there are updates that are made row by row.</summary>
    public bool HasContributions => _others.Count > 0;

    /// <summary>Whether one of those depends on the base.</summary>
    public bool NeedsBase { get; }

    /// <summary>How many dimensions of a tensor count as rows, for its updates.</summary>
    public static int RowDimensions(IReadOnlyList<WeightedDelta> deltas) => deltas.Count == 0 ? 1 : deltas.Max(d => d.RowDimensions);

    /// <summary>The low-rank updates, ready to be added, by the same backend each time; null where there are none.</summary>
    public IPreparedProduct? Product(ICompute compute)
    {
        if (!HasProduct) return null;
        lock (_preparing)
        {
            return _product ??= compute.Prepare(ProductBuilder.Build(_name, _shape, _factored, _inDoubles));
        }
    }

    /// <summary>sum += sign · Σ weight · ΔW[firstRow + i, :], over the updates that are no product.</summary>
    /// <param name="firstRow">The first row.</param>
    /// <param name="rows">How many.</param>
    /// <param name="sign">1, or −1 to take them back.</param>
    /// <param name="base">The same rows of the base, where <see cref="NeedsBase"/>.</param>
    /// <param name="sum">rows × columns.</param>
    public void AddContributions(long firstRow, int rows, int sign, ReadOnlySpan<double> @base, Span<double> sum)
    {
        foreach ((IContribution contribution, double weight) in Contributions())
        {
            contribution.Add(firstRow, rows, sign * weight, @base, sum);
        }
    }

    /// <summary>sum += a bound of Σ|terms| of those updates.</summary>
    public void AddTerms(long firstRow, int rows, Span<double> sum)
    {
        foreach ((IContribution contribution, double weight) in Contributions())
        {
            contribution.AddTerms(firstRow, rows, weight, sum);
        }
    }

    /// <summary>Lets everything go.</summary>
    public void Dispose()
    {
        lock (_preparing)
        {
            _product?.Dispose();
            _product = null;
            _contributions?.ForEach(c => c.Rows.Dispose());
            _contributions = null;
            (_baseRows as IDisposable)?.Dispose();
            _baseRows = null;
        }
    }

    private List<(IContribution Rows, double Weight)> Contributions()
    {
        lock (_preparing)
        {
            if (_contributions is not null) return _contributions;
            List<(IContribution, double)> prepared = [];
            if (NeedsBase) _baseRows ??= _base?.Invoke(); // Once, though a kind may fail to prepare.
            foreach (WeightedDelta delta in _others)
            {
                prepared.Add((Prepare(delta), delta.Weight));
            }

            return _contributions = prepared;
        }
    }

    private IContribution Prepare(WeightedDelta delta)
    {
        ManagedArithmetic arithmetic = new();
        int columns = checked((int)Columns);
        if (delta.Region is not { } region) return Prepare(delta, _shape, Rows, columns, _baseRows, arithmetic);
        return new RegionContribution(
            Prepare(delta, region.Weight(_shape, delta.Transposed), region.Rows, checked((int)region.Columns), RegionContribution.Base(_baseRows, region, columns), arithmetic),
            region, columns);
    }

    private static IContribution Prepare(WeightedDelta delta, TensorShape shape, long rows, int columns, IBaseRows? @base, ManagedArithmetic arithmetic)
    {
        ContributionContext context = new(shape, rows, columns, @base, arithmetic);
        if (delta.Heads is { } heads) return HeadsContribution.Of(delta.Delta, heads, context);
        if (delta.Rows is not null) return new RowsContribution(delta, context);
        return delta.Transposed
            ? delta.Delta.PrepareTurned(context) ?? TransposedContribution.Of(delta.Delta, rows, columns, @base, arithmetic)
            : delta.Delta.Prepare(context);
    }
}
