using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LoraKit.Ops.Undo;

/// <summary>Turns a predicted block into the original one. The code may be anything: nothing is believed before it is checked.</summary>
internal static class BlockDecoder
{
    private const int SparseHeader = 7;
    private const int DenseHeader = 2;

    /// <summary>Corrects a block in place; returns how many elements changed, or null where the code is no code of such a block.</summary>
    /// <param name="elementBytes">1, 2, 4 or 8.</param>
    /// <param name="code">The whole code; empty where the prediction is right.</param>
    /// <param name="block">The predicted elements.</param>
    public static long? Correct(int elementBytes, ReadOnlySpan<byte> code, Span<byte> block) => elementBytes switch
    {
        1 => Correct(code, block, block),
        2 => Correct(code, MemoryMarshal.Cast<byte, ushort>(block), block),
        4 => Correct(code, MemoryMarshal.Cast<byte, uint>(block), block),
        8 => Correct(code, MemoryMarshal.Cast<byte, ulong>(block), block),
        _ => null,
    };

    private static long? Correct<T>(ReadOnlySpan<byte> code, Span<T> elements, Span<byte> block)
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        if (code.IsEmpty) return 0;
        return (UndoMode)code[0] switch
        {
            UndoMode.Sparse when code.Length >= SparseHeader => Sparse(code, elements),
            UndoMode.Dense when code.Length >= DenseHeader => Dense(code, elements),
            UndoMode.Raw when code.Length == block.Length + 1 => Raw(code[1..], elements),
            _ => null,
        };
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static long? Sparse<T>(ReadOnlySpan<byte> code, Span<T> elements)
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        (int gapParameter, int parameter) = (code[1], code[2]);
        int count = BinaryPrimitives.ReadInt32LittleEndian(code[3..]);
        if (gapParameter > 31 || parameter > GolombCode.MaxParameter || count <= 0 || count > elements.Length) return null;
        BitReader bits = new(code[SparseHeader..]);
        int position = -1;
        for (int i = 0; i < count; i++)
        {
            uint left = (uint)(elements.Length - position - 1);
            if (GolombCode.ReadCorrection(ref bits, gapParameter, left, parameter, Largest<T>() - 1) is not var (gap, below, less)) return null;
            position += 1 + (int)gap;
            elements[position] = Ordinals<T>.Moved(elements[position], less + 1, below);
        }

        return bits.IsAtEnd ? count : null;
    }

    private static long? Dense<T>(ReadOnlySpan<byte> code, Span<T> elements)
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        int parameter = code[1];
        if (parameter > GolombCode.MaxParameter) return null;
        BitReader bits = new(code[DenseHeader..]);
        long count = 0;
        for (int i = 0; i < elements.Length; i++)
        {
            if (GolombCode.ReadExponential(ref bits, parameter, Largest<T>()) is not { } magnitude) return null;
            if (magnitude == 0) continue;
            elements[i] = Ordinals<T>.Moved(elements[i], magnitude, bits.Read(1) == 1);
            count++;
        }

        return bits.IsAtEnd ? count : null;
    }

    private static long Raw<T>(ReadOnlySpan<byte> code, Span<T> elements)
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        long count = 0;
        ReadOnlySpan<byte> rest = code;
        int size = Unsafe.SizeOf<T>();
        for (int i = 0; i < elements.Length; i++, rest = rest[size..])
        {
            T original = MemoryMarshal.Read<T>(rest);
            if (original != elements[i]) count++;
            elements[i] = original;
        }

        return count;
    }

    /// <summary>The largest magnitude: half of all patterns.</summary>
    private static ulong Largest<T>()
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T> => 1ul << (Ordinals<T>.Bits - 1);
}
