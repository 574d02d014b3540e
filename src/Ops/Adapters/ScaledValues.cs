using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Merge;

namespace LoraKit.Ops.Adapters;

/// <summary>A tensor's values times a scale, in F64.</summary>
internal static class ScaledValues
{
    /// <exception cref="NonFiniteException">A value is NaN or infinite, or its scale takes it beyond F64.</exception>
    /// <exception cref="UnsupportedException">There are more values than an array holds.</exception>
    public static double[] Of(TensorValue tensor, double scale)
    {
        double[] values = FiniteValues.Require(tensor.ToDoubles(), tensor);
        if (scale == 1) return values;
        for (int i = 0; i < values.Length; i++)
        {
            values[i] *= scale;
            if (!double.IsFinite(values[i])) throw FiniteValues.Overflow(tensor, scale, "F64");
        }

        return values;
    }
}
