using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Safetensors;

/// <summary>How many bytes a shape of some element type takes, or why there is no such number.</summary>
internal readonly record struct TensorSize
{
    private readonly ulong _value;
    private readonly Kind _kind;

    private TensorSize(Kind kind, ulong value = 0)
    {
        _kind = kind;
        _value = value;
    }

    private enum Kind : byte { Bytes, Overflow, PartialByte }

    /// <summary>The number of bits does not fit in 64 bits.</summary>
    public bool IsOverflow => _kind == Kind.Overflow;

    /// <summary>The number of bits is no multiple of 8.</summary>
    public bool IsPartialByte => _kind == Kind.PartialByte;

    /// <summary>The number of bytes; 0 where there is none.</summary>
    public ulong Bytes => _value;

    /// <summary>
    /// Multiplies from the left, as the reference does: a zero saves a product only from the sizes that come after it.
    /// </summary>
    public static TensorSize Of(DType dtype, ReadOnlySpan<ulong> sizes)
    {
        ulong bits = 1;
        foreach (ulong size in sizes)
        {
            if (!TryMultiply(bits, size, out bits)) return new(Kind.Overflow);
        }

        if (!TryMultiply(bits, (ulong)dtype.Bits(), out bits)) return new(Kind.Overflow);
        return bits % 8 == 0 ? new(Kind.Bytes, bits / 8) : new(Kind.PartialByte);
    }

    private static bool TryMultiply(ulong left, ulong right, out ulong product) => Math.BigMul(left, right, out product) == 0;
}
