using System.Diagnostics.CodeAnalysis;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Safetensors;

/// <summary>
/// One instance per distinct shape: models repeat a handful of shapes thousands of times. Bounded, so that a header in which no
/// shape repeats costs no more than its shapes.
/// </summary>
internal sealed class ShapePool
{
    private const int MaxShapes = 4096;
    private const int MaxRank = 16;

    private readonly Dictionary<TensorShape, TensorShape> _shapes = new(BySizes.Instance);
    private readonly Dictionary<TensorShape, TensorShape>.AlternateLookup<ReadOnlySpan<long>> _bySizes;

    public ShapePool() => _bySizes = _shapes.GetAlternateLookup<ReadOnlySpan<long>>();

    public TensorShape Get(ReadOnlySpan<long> sizes)
    {
        if (_bySizes.TryGetValue(sizes, out TensorShape known)) return known;
        TensorShape shape = new(sizes);
        if (_shapes.Count < MaxShapes && sizes.Length <= MaxRank) _shapes.Add(shape, shape);
        return shape;
    }

    private sealed class BySizes : IEqualityComparer<TensorShape>, IAlternateEqualityComparer<ReadOnlySpan<long>, TensorShape>
    {
        public static BySizes Instance { get; } = new();

        public bool Equals(TensorShape x, TensorShape y) => x == y;

        public int GetHashCode([DisallowNull] TensorShape obj) => GetHashCode(obj.Sizes.AsSpan());

        public TensorShape Create(ReadOnlySpan<long> alternate) => new(alternate);

        public bool Equals(ReadOnlySpan<long> alternate, TensorShape other) => alternate.SequenceEqual(other.Sizes.AsSpan());

        public int GetHashCode(ReadOnlySpan<long> alternate)
        {
            HashCode hash = default;
            hash.AddBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(alternate));
            return hash.ToHashCode();
        }
    }
}
