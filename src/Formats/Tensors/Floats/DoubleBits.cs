namespace LoraKit.Formats.Tensors.Floats;

/// <summary>The parts of a double.</summary>
internal static class DoubleBits
{
    public const ulong NaN = 0x7FF8_0000_0000_0000;

    /// <summary>The value; if it is NaN, the positive quiet one.</summary>
    public static double WithOneNaN(double value) => double.IsNaN(value) ? BitConverter.UInt64BitsToDouble(NaN) : value;
}
