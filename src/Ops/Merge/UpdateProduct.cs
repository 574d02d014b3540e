using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Merge;

/// <summary>An update ΔW by itself, without a base: as a product in doubles, as [out, in], scale included.</summary>
internal static class UpdateProduct
{
    /// <summary>Reads the update, which must be finite.</summary>
    /// <exception cref="NonFiniteException">A factor holds NaN or infinity.</exception>
    /// <exception cref="UnsupportedException">The update is of a kind that needs the base, or does not fit in memory.</exception>
    public static LowRankProduct Of(AdapterDelta delta)
    {
        TensorShape shape = ShapeOf(delta);
        (long rows, long columns) = shape.AsMatrix(delta.RowDimensions);
        if (delta.ExactFactors(shape) is { } factors)
        {
            RequireSize(delta, rows, Math.Max(columns, factors.Down.Shape[0]));
            return new(rows, (int)columns, (int)factors.Down.Shape[0], ScaledValues.Of(factors.Up, factors.Scale), ScaledValues.Of(factors.Down, 1));
        }

        // A dense update D of [rows, columns] is the product D · I.
        RequireSize(delta, rows, columns);
        double[] update = new double[rows * columns], identity = new double[columns * columns];
        using IContribution contribution = delta.Prepare(new(shape, rows, (int)columns, null, new ManagedArithmetic()));
        for (long row = 0; row < rows; row++)
        {
            contribution.Add(row, 1, 1, default, update.AsSpan((int)(row * columns), (int)columns));
        }

        for (long j = 0; j < columns; j++)
        {
            identity[(j * columns) + j] = 1;
        }

        return new(rows, (int)columns, (int)columns, update, identity);
    }

    /// <summary>The shape of an update: [out, in, …kernel], or that of the values that are added.</summary>
    /// <exception cref="UnsupportedException">The update is of a kind that needs the base.</exception>
    public static TensorShape ShapeOf(AdapterDelta delta) => !delta.NeedsBase && delta.Shape is { } shape ? shape : throw new UnsupportedException(
        $"module '{Printable.Text(delta.Target.Module.Path)}': a {delta.Kind} update is none without its base; "
        + "make plain LoRA of it with convert --to peft --max-error 0 --base, or merge it into the base first", tensor: delta.Target.Module.Path);

    private static void RequireSize(AdapterDelta delta, long rows, long columns)
    {
        if ((Int128)rows * columns <= Array.MaxLength && (Int128)columns * columns <= Array.MaxLength) return;
        throw new UnsupportedException($"module '{Printable.Text(delta.Target.Label)}': an update of {rows} × {columns} does not fit in memory", tensor: delta.Target.Module.Path);
    }
}
