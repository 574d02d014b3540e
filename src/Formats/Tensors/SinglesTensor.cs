using System.Runtime.InteropServices;

namespace LoraKit.Formats.Tensors;

/// <summary>A tensor's values as singles, made while it is read: exact for every type that is no wider.</summary>
internal static class SinglesTensor
{
    /// <param name="source">Of a float type other than F64.</param>
    public static TensorValue Of(TensorValue source) => source.DType == DType.F32 ? source : new ComputedTensor(source.Name, DType.F32, source.Shape, (start, destination) =>
    {
        long first = start / sizeof(float), end = (start + destination.Length + sizeof(float) - 1) / sizeof(float);
        byte[] stored = new byte[checked((int)(end - first) * source.DType.Bytes())];
        source.ReadBytes(first * source.DType.Bytes(), stored);
        float[] values = new float[end - first];
        FloatConvert.ToSingles(source.DType, stored, values);
        MemoryMarshal.AsBytes<float>(values).Slice((int)(start - (first * sizeof(float))), destination.Length).CopyTo(destination);
    });
}
