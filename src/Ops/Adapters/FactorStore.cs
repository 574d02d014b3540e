using System.Globalization;
using LoraKit.Formats;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Verify;

namespace LoraKit.Ops.Adapters;

/// <summary>Computed values to a tensor of the element type that was asked for, rounded once.</summary>
internal static class FactorStore
{
    /// <summary>Values that are rounded at once.</summary>
    private const int Piece = 1024;

    /// <param name="name">What messages call it: the module and factor.</param>
    /// <param name="shape">The tensor's sizes.</param>
    /// <param name="values">Row-major.</param>
    /// <param name="source">The type of what it was computed from; the widest where there are several.</param>
    /// <param name="wanted">The type asked for.</param>
    /// <param name="losses">Told what rounding takes away; null where nobody asks.</param>
    /// <exception cref="NonFiniteException">A value is NaN, infinite, or too large for the type.</exception>
    public static ComputedTensor Store(string name, TensorShape shape, ReadOnlySpan<double> values, DType source, FactorType wanted, RoundingLosses? losses = null)
    {
        DType wide = source == DType.F64 ? DType.F64 : DType.F32;
        DType type = wanted.Fixed() ?? source;
        if (wanted == FactorType.Exact && type != wide && !Holds(values, type)) type = wide;
        int size = type.Bytes();
        NativeBytes bytes = new((long)values.Length * size);
        Span<byte> rounded = stackalloc byte[Piece * size];
        (long beyond, double largest) = (0, 0);
        for (int at = 0; at < values.Length; at += Piece)
        {
            ReadOnlySpan<double> now = values.Slice(at, Math.Min(Piece, values.Length - at));
            Span<byte> place = rounded[..(now.Length * size)];
            FloatConvert.FromDoubles(type, now, place);
            if (NonFinite.Exists(type) && NonFinite.Count(type, place, out int first) is > 0 and var count)
            {
                beyond += count;
                if (!double.IsFinite(now[first])) largest = now[first];
                foreach (double value in now)
                {
                    if (Math.Abs(value) > Math.Abs(largest)) largest = value;
                }
            }

            losses?.Add(name, type, now, place);
            bytes.Write((long)at * size, place);
        }

        return beyond == 0 ? new ComputedTensor(name, type, shape, bytes.Read) : throw Beyond(name, beyond, values.Length, largest, type);
    }

    private static NonFiniteException Beyond(string name, long count, long of, double largest, DType type) => new(
        string.Create(
            CultureInfo.InvariantCulture,
            $"{Printable.Text(name)}: {count} of its {of} values {(count == 1 ? "is" : "are")} beyond the range of {type.FileName()}, the largest {largest:R}; ask for a wider element type"),
        tensor: name);

    private static bool Holds(ReadOnlySpan<double> values, DType type)
    {
        Span<byte> rounded = stackalloc byte[Piece * type.Bytes()];
        Span<double> back = stackalloc double[Piece];
        for (int at = 0; at < values.Length; at += Piece)
        {
            ReadOnlySpan<double> now = values.Slice(at, Math.Min(Piece, values.Length - at));
            FloatConvert.FromDoubles(type, now, rounded[..(now.Length * type.Bytes())]);
            FloatConvert.ToDoubles(type, rounded[..(now.Length * type.Bytes())], back[..now.Length]);
            if (!now.SequenceEqual(back[..now.Length])) return false;
        }

        return true;
    }
}
