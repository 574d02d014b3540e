using System.Buffers.Binary;

namespace LoraKit.Formats.Gguf;

/// <summary>
/// Q8_0: 32 numbers as d·q, with d as F16 and q whole, from −127 to 127. d·q has 19 bits at most, so a single holds it exactly. Source: ggml's
/// dequantize_row_q8_0 and quantize_row_q8_0_ref, whose roundings these are.
/// </summary>
internal static class Q8Block
{
    public const int Elements = 32;
    public const int Bytes = 2 + Elements;

    private const float Largest = 127;

    /// <summary>Whole blocks to their values.</summary>
    /// <param name="blocks">34 bytes each.</param>
    /// <param name="values">32 each.</param>
    public static void Decode(ReadOnlySpan<byte> blocks, Span<float> values)
    {
        for (; !blocks.IsEmpty; blocks = blocks[Bytes..], values = values[Elements..])
        {
            float d = (float)BinaryPrimitives.ReadHalfLittleEndian(blocks);
            for (int i = 0; i < Elements; i++)
            {
                values[i] = d * (sbyte)blocks[2 + i];
            }
        }
    }

    /// <summary>Values to whole blocks: d = max |x| / 127, q = x/d rounded to nearest, halves away from zero; then d is rounded to F16.</summary>
    /// <param name="values">Finite; 32 for each block.</param>
    /// <param name="blocks">34 bytes each.</param>
    public static void Encode(ReadOnlySpan<float> values, Span<byte> blocks)
    {
        for (; !values.IsEmpty; values = values[Elements..], blocks = blocks[Bytes..])
        {
            float most = 0;
            for (int i = 0; i < Elements; i++)
            {
                most = MathF.Max(most, MathF.Abs(values[i]));
            }

            float d = most / Largest;
            float perStep = d == 0 ? 0 : 1 / d;
            BinaryPrimitives.WriteHalfLittleEndian(blocks, (Half)d);
            for (int i = 0; i < Elements; i++)
            {
                blocks[2 + i] = (byte)(sbyte)MathF.Round(values[i] * perStep, MidpointRounding.AwayFromZero);
            }
        }
    }
}
