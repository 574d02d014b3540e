namespace LoraKit.Formats.Tensors.Floats;

/// <summary>The parts of a single.</summary>
internal static class SingleBits
{
    public const uint Sign = 0x8000_0000;
    public const uint Magnitude = 0x7FFF_FFFF;
    public const uint Infinity = 0x7F80_0000;
    public const uint NaN = 0x7FC0_0000;
    public const int MantissaBits = 23;
    public const int ExponentBias = 127;
}
