using System.Globalization;
using System.Numerics;
using LoraKit.Formats;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Verify;

namespace LoraKit.Ops.Merge;

/// <summary>What an adapter brings is finite, or the merge stops: a single NaN in it would spread over whole rows of the model.</summary>
internal static class FiniteValues
{
    /// <summary>Passes on the values of a factor.</summary>
    /// <exception cref="NonFiniteException">One of them is NaN or infinite, or too large for <typeparamref name="T"/>.</exception>
    public static T[] Require<T>(T[] values, TensorValue tensor)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        Require(values, tensor, 0);
        return values;
    }

    /// <summary>Checks some values of a tensor.</summary>
    /// <param name="values">The values.</param>
    /// <param name="tensor">What they belong to.</param>
    /// <param name="first">Where in it they begin.</param>
    /// <exception cref="NonFiniteException">One of them is NaN or infinite.</exception>
    public static void Require<T>(ReadOnlySpan<T> values, TensorValue tensor, long first)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        int i = 0;
        Vector<T> infinity = new(T.PositiveInfinity);
        while (i <= values.Length - Vector<T>.Count && Vector.LessThanAll(Vector.Abs(new Vector<T>(values[i..])), infinity))
        {
            i += Vector<T>.Count;
        }

        for (; i < values.Length; i++)
        {
            if (!T.IsFinite(values[i])) throw Refusal(tensor, first + i);
        }
    }

    /// <summary>Checks values that take the base's place, as they are stored.</summary>
    /// <param name="tensor">What they belong to.</param>
    /// <param name="firstElement">Where in it they begin.</param>
    /// <param name="bytes">Their bytes.</param>
    /// <exception cref="NonFiniteException">One of them is NaN or infinite.</exception>
    public static void Require(TensorValue tensor, long firstElement, ReadOnlySpan<byte> bytes)
    {
        if (NonFinite.Exists(tensor.DType) && NonFinite.Count(tensor.DType, bytes, out int first) > 0) throw Refusal(tensor, firstElement + first);
    }

    /// <summary>A factor that its scale makes too large for the sum.</summary>
    public static NonFiniteException Overflow(TensorValue tensor, double scale, string sumType) => new(
        $"{Where(tensor)} times its scale {Text(scale)} is beyond the range of {sumType}, in which the sum is made; lower the weight, or check the adapter's alpha",
        tensor.File, tensor.Name);

    /// <summary>What an element of an adapter that is NaN, infinite or too large is refused with.</summary>
    /// <param name="tensor">Where it is.</param>
    /// <param name="element">Which one, row-major.</param>
    public static NonFiniteException Refusal(TensorValue tensor, long element)
    {
        double value = Value(tensor, element);
        string what = double.IsFinite(value)
            ? "is beyond the range of F32, in which the sum is made"
            : "must be finite; the adapter is damaged or its training diverged";
        return new($"{Where(tensor)} holds {Text(value)} at element {element}, which {what}", tensor.File, tensor.Name);
    }

    private static double Value(TensorValue tensor, long element)
    {
        byte[] bytes = new byte[tensor.DType.Bytes()];
        tensor.ReadBytes(element * bytes.Length, bytes);
        double[] value = new double[1];
        FloatConvert.ToDoubles(tensor.DType, bytes, value);
        return value[0];
    }

    private static string Where(TensorValue tensor) => $"{Printable.Text(tensor.File ?? "memory")}: tensor '{Printable.Text(tensor.Name)}'";

    private static string Text(double value) => value.ToString("R", CultureInfo.InvariantCulture);
}
