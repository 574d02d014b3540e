namespace LoraKit.Formats.Tensors;

/// <summary>A tensor times a number, in F64, made while it is read.</summary>
internal static class ScaledTensor
{
    /// <summary>Values such that <paramref name="divisor"/> times them is <paramref name="factor"/> times the source: the source itself where the two are equal.</summary>
    /// <param name="source">Of a float type.</param>
    /// <param name="factor">The multiplier.</param>
    /// <param name="divisor">The divisor; not 0, unless both are.</param>
    public static TensorValue Of(TensorValue source, double factor, double divisor)
    {
        if (factor == divisor) return source;
        double ratio = factor / divisor;
        return new ComputedTensor(source.Name, DType.F64, source.Shape, (start, destination) =>
        {
            double[] values = source.ToDoubles();
            for (int i = 0; i < values.Length; i++)
            {
                values[i] *= ratio;
            }

            System.Runtime.InteropServices.MemoryMarshal.AsBytes<double>(values).Slice((int)start, destination.Length).CopyTo(destination);
        });
    }
}
