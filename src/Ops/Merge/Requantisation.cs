using System.Runtime.InteropServices;
using LoraKit.Formats;
using LoraKit.Formats.Files;
using LoraKit.Formats.Gguf;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Merge;

/// <summary>The new values of a tensor of Q8_0, as blocks again: each row is whole blocks. See spec/algebra.md, "Q8_0".</summary>
/// <param name="target">The blocks' place.</param>
/// <param name="file">The output.</param>
internal sealed class Requantisation(TensorInfo target, OutputFile file)
{
    // Beyond it the scale of a block, d = max |x| / 127, is beyond F16.
    private const float Largest = 65504f * 127;

    private readonly Lock _counting = new();
    private double _lost;
    private double _whole;

    /// <summary>‖W′ − Q(W′)‖ / ‖W′‖: what rounding to blocks changed, of all that was written.</summary>
    public double RelativeChange => _whole == 0 ? 0 : Math.Sqrt(_lost / _whole);

    /// <summary>Writes rows.</summary>
    /// <param name="firstElement">Their first element; the first of a block.</param>
    /// <param name="singles">Whole blocks, as singles.</param>
    /// <param name="buffers">The worker's.</param>
    /// <exception cref="NonFiniteException">A value is not finite, or its block's scale is beyond F16.</exception>
    public void Write(long firstElement, ReadOnlySpan<byte> singles, TileBuffers buffers)
    {
        ReadOnlySpan<float> values = MemoryMarshal.Cast<byte, float>(singles);
        for (int i = 0; i < values.Length; i++)
        {
            if (!(MathF.Abs(values[i]) <= Largest))
            {
                throw new NonFiniteException(
                    $"tensor '{Printable.Text(target.Name)}': {values[i]} at element {firstElement + i} is beyond the range of {target.Blocks}; lower the weight, or check the adapter's alpha",
                    tensor: target.Name);
            }
        }

        Span<byte> blocks = buffers.Codes(values.Length / Q8Block.Elements * Q8Block.Bytes);
        Q8Block.Encode(values, blocks);
        file.Write(target.Offset + (firstElement / Q8Block.Elements * Q8Block.Bytes), blocks);
        Count(values, blocks);
    }

    private void Count(ReadOnlySpan<float> values, ReadOnlySpan<byte> blocks)
    {
        double lost = 0, whole = 0;
        Span<float> back = stackalloc float[Q8Block.Elements];
        for (; !blocks.IsEmpty; blocks = blocks[Q8Block.Bytes..], values = values[Q8Block.Elements..])
        {
            Q8Block.Decode(blocks[..Q8Block.Bytes], back);
            for (int i = 0; i < back.Length; i++)
            {
                double change = (double)values[i] - back[i];
                lost += change * change;
                whole += (double)values[i] * values[i];
            }
        }

        lock (_counting)
        {
            _lost += lost;
            _whole += whole;
        }
    }
}
