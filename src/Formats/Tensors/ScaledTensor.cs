namespace LoraKit.Formats.Tensors;

/// <summary>A tensor times a number, or plus one, in F64, made while it is read.</summary>
internal static class ScaledTensor
{
    /// <summary>Values such that <paramref name="divisor"/> times them is <paramref name="factor"/> times the source: the source itself where the two are equal.</summary>
    /// <param name="source">Of a float type.</param>
    /// <param name="factor">The multiplier.</param>
    /// <param name="divisor">The divisor; not 0, unless both are.</param>
    public static TensorValue Of(TensorValue source, double factor, double divisor) => factor == divisor ? source : Combined(source, factor / divisor, 0);

    /// <summary>The source plus a number.</summary>
    public static TensorValue Plus(TensorValue source, double summand) => Combined(source, 1, summand);

    private static ComputedTensor Combined(TensorValue source, double ratio, double summand) => new(source.Name, DType.F64, source.Shape, (start, destination) =>
    {
        double[] values = source.ToDoubles();
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = summand == 0 ? values[i] * ratio : values[i] + summand;
        }

        System.Runtime.InteropServices.MemoryMarshal.AsBytes<double>(values).Slice((int)start, destination.Length).CopyTo(destination);
    });
}
