using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Stack.PeftSemantics;

/// <summary>Torch's arithmetic on small types: every operation is made in F32 and rounded back.</summary>
internal static class PeftRounding
{
    public static byte[] Encode(ReadOnlySpan<float> values, DType type)
    {
        byte[] bytes = new byte[checked(values.Length * type.Bytes())];
        FloatConvert.FromSingles(type, values, bytes);
        return bytes;
    }

    /// <summary>Rounds values to a type, in place.</summary>
    public static float[] Round(float[] values, DType type)
    {
        if (type != DType.F32) FloatConvert.ToSingles(type, Encode(values, type), values);
        return values;
    }

    /// <summary>The type of a result of several: theirs where they agree, else F32.</summary>
    public static DType Common(IEnumerable<DType> types) => types.Distinct().ToArray() is [DType one] ? one : DType.F32;
}
