using System.Globalization;
using LoraKit.Formats;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Verify;

namespace LoraKit.Ops.Adapters;

/// <summary>Computed values to a tensor of the element type that was asked for, rounded once.</summary>
internal static class FactorStore
{
    /// <param name="name">What messages call it: the module and factor.</param>
    /// <param name="shape">The tensor's sizes.</param>
    /// <param name="values">Row-major.</param>
    /// <param name="source">The type of what it was computed from; the widest where there are several.</param>
    /// <param name="wanted">The type asked for.</param>
    /// <exception cref="NonFiniteException">A value is NaN, infinite, or too large for the type.</exception>
    public static MemoryTensor Store(string name, TensorShape shape, ReadOnlySpan<double> values, DType source, FactorType wanted)
    {
        DType wide = source == DType.F64 ? DType.F64 : DType.F32;
        DType type = wanted switch
        {
            FactorType.F32 => DType.F32,
            FactorType.F16 => DType.F16,
            FactorType.BF16 => DType.BF16,
            _ => source,
        };
        byte[] bytes = Rounded(values, type);
        if (wanted == FactorType.Exact && type != wide && !Holds(values, bytes, type)) bytes = Rounded(values, type = wide);
        if (NonFinite.Exists(type) && NonFinite.Count(type, bytes, out int first) > 0)
        {
            throw new NonFiniteException(
                string.Create(CultureInfo.InvariantCulture, $"{Printable.Text(name)}: the value {values[first]:R} is beyond the range of {type.FileName()}; ask for a wider element type"),
                tensor: name);
        }

        return new MemoryTensor(name, type, shape, bytes);
    }

    private static byte[] Rounded(ReadOnlySpan<double> values, DType type)
    {
        byte[] bytes = new byte[checked(values.Length * type.Bytes())];
        FloatConvert.FromDoubles(type, values, bytes);
        return bytes;
    }

    private static bool Holds(ReadOnlySpan<double> values, byte[] bytes, DType type)
    {
        double[] back = new double[values.Length];
        FloatConvert.ToDoubles(type, bytes, back);
        return values.SequenceEqual(back);
    }
}
