using LoraKit.Formats.Gguf;
using LoraKit.Formats.Tensors;
using LoraKit.Formats.Tests.Containers;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Gguf;

/// <summary>Q8_0 against ggml's definition in plain loops.</summary>
public sealed class Q8BlockTests
{
    [Fact]
    public void Values_are_d_times_q_whatever_range_is_read()
    {
        Random random = new(3);
        byte[] blocks = new byte[3 * 67 * Q8Block.Bytes]; // More than one piece.
        random.NextBytes(blocks);
        float[] expected = new float[3 * 67 * 32];
        for (int b = 0; b < 3 * 67; b++)
        {
            Half d = (Half)(random.NextSingle() - 0.5f);
            BitConverter.TryWriteBytes(blocks.AsSpan(b * 34), d);
            for (int i = 0; i < 32; i++)
            {
                expected[b * 32 + i] = (float)((double)d * (sbyte)blocks[b * 34 + 2 + i]);
            }
        }

        OpenedTensors.Of(new GgufBytes().Tensor("w", [32 * 67, 3], 8, blocks).ToArray(), source =>
        {
            TensorInfo tensor = Assert.Single(source.Tensors);
            Assert.Equal((DType.F32, new TensorShape(3, 32 * 67), expected.Length * 4L), (tensor.DType, tensor.Shape, tensor.ByteLength));
            Assert.Equal(expected, new StoredTensor(source, tensor).ToSingles());
            byte[] all = [.. expected.SelectMany(BitConverter.GetBytes)];
            foreach ((int start, int length) in new[] { (0, 1), (3, 130), (127, 2), (8191, 300), (all.Length - 5, 5), (all.Length, 0), (130, 20000) })
            {
                byte[] read = new byte[length];
                source.Read(tensor, start, read);
                Assert.Equal(all.AsSpan(start, length).ToArray(), read);
            }

            return 0;
        });
    }

    [Fact]
    public void Rounding_is_ggmls()
    {
        Random random = new(4);
        float[] values = [.. Enumerable.Range(0, 32 * 200).Select(i => (random.NextSingle() - 0.5f) * MathF.Pow(10, i / 32 % 9 - 5))];
        values.AsSpan(0, 32).Clear();
        (values[32], values[33], values[34]) = (127, 0.5f, -2.5f); // Halves, with a step of exactly 1.
        values.AsSpan(35, 29).Fill(1.5f);
        byte[] blocks = new byte[200 * Q8Block.Bytes];
        Q8Block.Encode(values, blocks);
        for (int b = 0; b < 200; b++)
        {
            float amax = values.AsSpan(b * 32, 32).ToArray().Max(Math.Abs);
            float d = amax / 127;
            Assert.Equal((Half)d, BitConverter.ToHalf(blocks, b * 34));
            float id = d != 0 ? 1f / d : 0;
            for (int i = 0; i < 32; i++)
            {
                float x = values[b * 32 + i] * id;
                int roundf = x < 0 ? -(int)Math.Floor(-(double)x + 0.5) : (int)Math.Floor((double)x + 0.5); // C's: halves away from zero
                Assert.Equal(roundf, (sbyte)blocks[b * 34 + 2 + i]);
            }
        }

        Assert.Equal([127, 1, 253, 2], blocks[(34 + 2)..(34 + 6)]); // 127, 0.5 → 1, −2.5 → −3, 1.5 → 2
    }

    [Fact]
    public void What_was_decoded_encodes_to_the_same_values()
    {
        float[] values = [.. Enumerable.Range(-16, 32).Select(i => i == 15 ? 127f : i)];
        byte[] blocks = new byte[Q8Block.Bytes];
        Q8Block.Encode(values, blocks);
        float[] decoded = new float[32];
        Q8Block.Decode(blocks, decoded);
        Assert.Equal(values, decoded);
    }
}
