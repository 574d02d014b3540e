using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Gguf;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Merge;

/// <summary>
/// The low-rank updates of one tensor as one product: [w₁s₁U₁ | w₂s₂U₂ | …] · [V₁; V₂; …], with U·V = B·A where the base stores [out, in] and
/// U·V = Aᵀ·Bᵀ where it stores [in, out]. An update of some rows has zeros for the others. The factors are read here and checked to be finite.
/// </summary>
internal static class ProductBuilder
{
    /// <param name="name">The tensor's, for messages.</param>
    /// <param name="shape">The tensor's.</param>
    /// <param name="deltas">Those updates, in order.</param>
    /// <param name="inDoubles">Whether the factors are doubles.</param>
    public static LowRankProduct Build(string name, TensorShape shape, IReadOnlyList<WeightedDelta> deltas, bool inDoubles) => inDoubles
        ? Build(name, shape, deltas, inDoubles, t => t.ToDoubles(), double.CreateChecked, (rows, columns, rank, l, r) => new LowRankProduct(rows, columns, rank, l, r))
        : Build(name, shape, deltas, inDoubles, t => t.ToSingles(), float.CreateSaturating, (rows, columns, rank, l, r) => new LowRankProduct(rows, columns, rank, l, r));

    private delegate LowRankProduct Finish<T>(long rows, int columns, int rank, T[] left, T[] right);

    private static LowRankProduct Build<T>(
        string name, TensorShape shape, IReadOnlyList<WeightedDelta> deltas, bool inDoubles, Func<TensorValue, T[]> read, Func<double, T> round, Finish<T> finish)
        where T : unmanaged, System.Numerics.IFloatingPointIeee754<T>
    {
        (long rows, long columns) = shape.AsMatrix();
        long rank = deltas.Sum(d => ((FactoredDelta)d.Delta).Rank);
        if (columns > int.MaxValue || checked(rows * rank) > Array.MaxLength || checked(rank * columns) > Array.MaxLength)
        {
            throw new UnsupportedException($"tensor '{Printable.Text(name)}' {shape}: updates of rank {rank} in all do not fit in memory", tensor: name);
        }

        T[] left = new T[rows * rank];
        T[] right = new T[rank * columns];
        int first = 0;
        foreach (WeightedDelta weighted in deltas)
        {
            first += Place((FactoredDelta)weighted.Delta, weighted, first);
        }

        return finish(rows, (int)columns, (int)rank, left, right);

        int Place(FactoredDelta delta, WeightedDelta weighted, int at)
        {
            T[] up = FiniteValues.Require(read(weighted.Heads is { } heads ? HeadRows.Interleave(delta.Up, heads) : delta.Up), delta.Up);
            T[] down = FiniteValues.Require(read(delta.Down), delta.Down);
            int r = (int)delta.Rank;
            double scale = delta.Scale * weighted.Weight;
            if (!weighted.Transposed)
            {
                int firstRow = (int)(weighted.Region?.FirstRow ?? 0), count = (int)(weighted.Region?.Rows ?? rows), firstOfUpdate = (int)(weighted.Rows?.First ?? 0);
                ScaleInto(delta.Up, up.AsSpan(firstOfUpdate * r), r, 1, count, r, scale, (firstRow * rank) + at);
                down.CopyTo(right.AsSpan(at * (int)columns));
                return r;
            }

            // Aᵀ is read column-wise; Bᵀ is written so.
            ScaleInto(delta.Down, down, 1, (int)rows, (int)rows, r, scale, at);
            for (int k = 0; k < r; k++)
            {
                for (int j = 0; j < columns; j++)
                {
                    right[((long)(at + k) * columns) + j] = up[((long)j * r) + k];
                }
            }

            return r;
        }

        void ScaleInto(TensorValue tensor, ReadOnlySpan<T> source, int rowStride, int columnStride, int sourceRows, int sourceColumns, double scale, long at)
        {
            for (int i = 0; i < sourceRows; i++)
            {
                int from = i * rowStride;
                long to = (i * rank) + at;
                for (int k = 0; k < sourceColumns; k++)
                {
                    T scaled = round(double.CreateChecked(source[from + (k * columnStride)]) * scale);
                    if (!T.IsFinite(scaled)) throw FiniteValues.Overflow(tensor, scale, inDoubles ? "F64" : "F32");
                    left[to + k] = scaled;
                }
            }
        }
    }
}
