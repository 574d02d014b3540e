using System.Buffers.Binary;

namespace LoraKit.Formats.Tensors;

/// <summary>Numbers of any real type, float or whole, as doubles: counts, indices and settings that a file stores as tensors.</summary>
internal static class RealNumber
{
    /// <summary>One element; null where its type has no real value.</summary>
    /// <param name="dtype">The element type.</param>
    /// <param name="bytes">Its bytes, little-endian.</param>
    public static double? Decode(DType dtype, ReadOnlySpan<byte> bytes)
    {
        if (dtype.IsMergeable())
        {
            Span<double> value = stackalloc double[1];
            FloatConvert.ToDoubles(dtype, bytes, value);
            return value[0];
        }

        return dtype switch
        {
            DType.I64 => BinaryPrimitives.ReadInt64LittleEndian(bytes),
            DType.U64 => BinaryPrimitives.ReadUInt64LittleEndian(bytes),
            DType.I32 => BinaryPrimitives.ReadInt32LittleEndian(bytes),
            DType.U32 => BinaryPrimitives.ReadUInt32LittleEndian(bytes),
            DType.I16 => BinaryPrimitives.ReadInt16LittleEndian(bytes),
            DType.U16 => BinaryPrimitives.ReadUInt16LittleEndian(bytes),
            DType.I8 => (sbyte)bytes[0],
            DType.U8 => bytes[0],
            _ => null,
        };
    }

    /// <summary>All elements; null where their type has no real value.</summary>
    /// <exception cref="OverflowException">There are more than an array holds.</exception>
    public static double[]? DecodeAll(TensorValue tensor)
    {
        int size = tensor.DType.Bytes();
        if (size == 0) return null;
        byte[] bytes = new byte[checked((int)tensor.Shape.ElementCount * size)];
        tensor.ReadBytes(0, bytes);
        double[] values = new double[bytes.Length / size];
        for (int i = 0; i < values.Length; i++)
        {
            if (Decode(tensor.DType, bytes.AsSpan(i * size, size)) is not { } value) return null;
            values[i] = value;
        }

        return values;
    }
}
