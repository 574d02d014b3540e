using System.Collections.Immutable;

namespace LoraKit.Formats.Tensors;

/// <summary>The sizes of a tensor, outermost first (row-major). A scalar has no dimensions and one element.</summary>
public readonly struct TensorShape : IEquatable<TensorShape>
{
    private readonly ImmutableArray<long> _sizes;

    /// <summary>A shape of the given sizes; none may be negative.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A size is negative.</exception>
    public TensorShape(params ReadOnlySpan<long> sizes)
    {
        foreach (long size in sizes)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(size);
        }

        _sizes = [.. sizes];
    }

    /// <summary>The sizes, outermost first.</summary>
    public ImmutableArray<long> Sizes => _sizes.IsDefault ? [] : _sizes;

    /// <summary>How many dimensions; 0 for a scalar.</summary>
    public int Rank => Sizes.Length;

    /// <summary>The size of one dimension.</summary>
    public long this[int dimension] => Sizes[dimension];

    /// <summary>The product of the sizes; 1 for a scalar.</summary>
    /// <exception cref="OverflowException">The product does not fit in 64 bits.</exception>
    public long ElementCount
    {
        get
        {
            long count = 1;
            bool zero = false;
            foreach (long size in Sizes)
            {
                zero |= size == 0;
            }

            if (zero) return 0;
            foreach (long size in Sizes)
            {
                count = checked(count * size);
            }

            return count;
        }
    }

    /// <summary>The shape seen as a matrix: the first dimension by the product of the others. A vector is a column, a scalar is 1 × 1.</summary>
    /// <exception cref="OverflowException">The product does not fit in 64 bits.</exception>
    public (long Rows, long Columns) AsMatrix() => AsMatrix(1);

    /// <summary>The shape seen as a matrix: the product of the first dimensions by the product of the others.</summary>
    /// <param name="rowDimensions">How many dimensions count as rows; all, where the shape has no more.</param>
    /// <exception cref="OverflowException">A product does not fit in 64 bits.</exception>
    internal (long Rows, long Columns) AsMatrix(int rowDimensions)
    {
        int rows = Math.Min(rowDimensions, Rank);
        return (new TensorShape(Sizes.AsSpan()[..rows]).ElementCount, new TensorShape(Sizes.AsSpan()[rows..]).ElementCount);
    }

    /// <inheritdoc/>
    public bool Equals(TensorShape other) => Sizes.AsSpan().SequenceEqual(other.Sizes.AsSpan());

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is TensorShape other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        HashCode hash = default;
        foreach (long size in Sizes)
        {
            hash.Add(size);
        }

        return hash.ToHashCode();
    }

    /// <summary>As people write it: <c>[4096, 11008]</c>.</summary>
    public override string ToString() => $"[{string.Join(", ", Sizes)}]";

    /// <summary>Whether two shapes have the same sizes.</summary>
    public static bool operator ==(TensorShape left, TensorShape right) => left.Equals(right);

    /// <summary>Whether two shapes differ.</summary>
    public static bool operator !=(TensorShape left, TensorShape right) => !left.Equals(right);
}
