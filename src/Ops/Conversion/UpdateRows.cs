using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Compute.Randomized;

namespace LoraKit.Ops.Conversion;

/// <summary>Any kind's ΔW as a matrix [out, in·kernel], scale included, made row by row: it exists only where a reader keeps it.</summary>
internal sealed class UpdateRows : IRowSource, IDisposable
{
    private readonly IBaseRows? _base;
    private readonly IContribution _contribution;

    /// <param name="delta">The update.</param>
    /// <param name="weight">The weight's shape, as [out, in, …kernel].</param>
    /// <param name="base">The base's weight as [out, in·kernel]; null where the kind does not need it.</param>
    /// <exception cref="UnsupportedException">A row does not fit in memory.</exception>
    public UpdateRows(AdapterDelta delta, TensorShape weight, IBaseRows? @base)
    {
        (Rows, long columns) = weight.AsMatrix(delta.RowDimensions);
        if (columns > Array.MaxLength / (2 * sizeof(double)) || Rows > Array.MaxLength)
        {
            throw new UnsupportedException($"module '{Printable.Text(delta.Target.Label)}': an update of {Rows} × {columns} does not fit in memory", tensor: delta.Target.Path);
        }

        (_base, Columns) = (delta.NeedsBase ? @base : null, (int)columns);
        _contribution = delta.Prepare(new(weight, Rows, Columns, @base, new ManagedArithmetic()));
    }

    /// <inheritdoc/>
    public long Rows { get; }

    /// <inheritdoc/>
    public int Columns { get; }

    /// <inheritdoc/>
    public void ReadRows(long first, int count, Span<double> destination, int stride)
    {
        int elements = checked(count * Columns);
        using RowBuffer sum = new(elements), before = new(_base is null ? 0 : elements);
        sum.Values.Clear();
        _base?.Read(first, count, before.Values);
        _contribution.Add(first, count, 1, before.Values, sum.Values);
        for (int i = 0; i < count; i++)
        {
            sum.Values.Slice(i * Columns, Columns).CopyTo(destination[(i * stride)..]);
        }
    }

    /// <summary>All values; of vectors.</summary>
    public double[] ReadAll()
    {
        double[] values = new double[Rows * Columns];
        ReadRows(0, (int)Rows, values, Columns);
        return values;
    }

    /// <inheritdoc/>
    public void Dispose() => _contribution.Dispose();
}
