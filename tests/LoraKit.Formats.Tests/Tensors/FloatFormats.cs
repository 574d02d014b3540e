using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Tensors;

/// <summary>The small types, each beside the oracle's definition of it.</summary>
internal static class FloatFormats
{
    public static TheoryData<DType> Small => [DType.F16, DType.BF16, DType.F8E4M3, DType.F8E5M2];

    public static Oracle.Format Of(DType dtype) => dtype switch
    {
        DType.F16 => Oracle.Format.F16,
        DType.BF16 => Oracle.Format.BF16,
        DType.F8E4M3 => Oracle.Format.F8E4M3,
        DType.F8E5M2 => Oracle.Format.F8E5M2,
        DType.F32 => Oracle.Format.F32,
        DType.F64 => Oracle.Format.F64,
        _ => throw new ArgumentOutOfRangeException(nameof(dtype)),
    };

    /// <summary>Every pattern of a small type, in order, as stored bytes.</summary>
    public static byte[] AllPatterns(DType dtype)
    {
        int size = dtype.Bytes();
        byte[] bytes = new byte[(1 << (8 * size)) * size];
        for (int i = 0; i < bytes.Length / size; i++)
        {
            bytes[i * size] = (byte)i;
            if (size == 2) bytes[(i * size) + 1] = (byte)(i >> 8);
        }

        return bytes;
    }

    public static ulong Pattern(DType dtype, ReadOnlySpan<byte> bytes, int index)
    {
        ulong pattern = 0;
        int size = dtype.Bytes();
        for (int i = size - 1; i >= 0; i--)
        {
            pattern = (pattern << 8) | bytes[(index * size) + i];
        }

        return pattern;
    }

    public static bool IsNaN(DType dtype, ulong pattern) => double.IsNaN(Oracle.Decode(Of(dtype), pattern));
}
