using System.Runtime.InteropServices;

namespace LoraKit.Formats.Tensors;

/// <summary>A matrix times a diagonal, M·diag(d), in F64, made while it is read.</summary>
/// <param name="matrix">M [rows, columns], of a float type.</param>
/// <param name="diagonal">d [columns], of a float type.</param>
internal sealed class ColumnScaledTensor(TensorValue matrix, TensorValue diagonal) : TensorValue(matrix.Name, DType.F64, matrix.Shape)
{
    /// <inheritdoc/>
    public override string? File => matrix.File;

    /// <inheritdoc/>
    public override void ReadBytes(long start, Span<byte> destination)
    {
        long first = start / sizeof(double), end = (start + destination.Length + sizeof(double) - 1) / sizeof(double);
        byte[] stored = new byte[checked((int)(end - first) * matrix.DType.Bytes())];
        matrix.ReadBytes(first * matrix.DType.Bytes(), stored);
        double[] values = new double[end - first], factors = diagonal.ToDoubles();
        FloatConvert.ToDoubles(matrix.DType, stored, values);
        for (int i = 0; i < values.Length; i++) values[i] *= factors[(first + i) % factors.Length];
        MemoryMarshal.AsBytes<double>(values).Slice((int)(start - (first * sizeof(double))), destination.Length).CopyTo(destination);
    }
}
