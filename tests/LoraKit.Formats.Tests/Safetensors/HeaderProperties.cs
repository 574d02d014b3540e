using CsCheck;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Tests.Safetensors;

public sealed class HeaderProperties
{
    private static readonly Gen<string> GenText = Gen.OneOf(
        Gen.String[Gen.Char['a', 'f'], 0, 4],
        Gen.String[Gen.Char['\u0001', '\u00FF'], 0, 6],
        OneOf("😀", "\uFFFF", "\u2028", "\"\\\b\f\n\r\t", "é", "\u007F", "model.layers.0.self_attn.q_proj.lora_A.weight"));

    private static readonly Gen<TensorShape> GenShape = Gen.Long[0, 9].Array[0, 4].Select(sizes => new TensorShape(sizes));

    private static readonly Gen<(string Name, DType DType, TensorShape Shape)> GenTensor =
        Gen.Select(GenText, Gen.Int[0, 21].Select(i => (DType)i), GenShape)
            .Where((_, dtype, shape) => shape.ElementCount * dtype.Bits() % 8 == 0);

    private static readonly Gen<(string Name, DType DType, TensorShape Shape)[]> GenTensors =
        GenTensor.Array[0, 12].Select(tensors => tensors.DistinctBy(tensor => tensor.Name).ToArray());

    private static readonly Gen<Dictionary<string, string>?> GenMetadata =
        Gen.OneOf(Gen.Const((Dictionary<string, string>?)null), Gen.Dictionary(GenText, GenText)[0, 4].Select(map => (Dictionary<string, string>?)map));

    private static readonly Gen<Func<byte[], byte[]>> GenMutation = Gen.OneOf(
        Gen.Select(Gen.Double[0, 1], Gen.Byte).Select((at, value) => Mutation(file => Set(file, Place(file, at), value))),
        Gen.Select(Gen.Double[0, 1], OneOf("0", "9", "\"", "\\", ",", "{", "}", "[", "]", " ", "\\u0000", "null", "-", "1e9"))
            .Select((at, text) => Mutation(file => Insert(file, Place(file, at), text))),
        Gen.Double[0, 1].Select(at => Mutation(file => Remove(file, Place(file, at)))),
        Gen.Select(Gen.Double[0, 1], Gen.Byte[48, 57]).Select((at, digit) => Mutation(file => SetDigit(file, Place(file, at), digit))),
        Gen.Select(Gen.Int[0, 7], Gen.Byte).Select((at, value) => Mutation(file => Set(file, at, value))),
        Gen.Int[0, 20].Select(count => Mutation(file => file[..Math.Max(8, file.Length - count)])),
        Gen.Int[0, 20].Select(count => Mutation(file => [.. file, .. new byte[count]])));

    [Fact]
    public void What_was_planned_is_read_back() =>
        Gen.Select(GenTensors, GenMetadata).Sample(
            (tensors, metadata) =>
            {
                SafetensorsHeader planned = SafetensorsHeader.Plan(tensors, metadata);
                foreach (SafetensorsMode mode in Enum.GetValues<SafetensorsMode>())
                {
                    SafetensorsHeader read = SafetensorsHeader.Read(new MemoryStream(planned.ToBytes()), planned.FileLength, null, mode);
                    Assert.Equal(planned.Tensors, read.Tensors);
                    Assert.Equal(planned.Metadata.OrderBy(pair => pair.Key), read.Metadata.OrderBy(pair => pair.Key));
                    Assert.Equal(planned.ToBytes(), read.ToBytes());
                }

                Assert.All(planned.Tensors, tensor => Assert.Equal(tensors.Single(one => one.Name == tensor.Name), (tensor.Name, tensor.DType, tensor.Shape)));
                Assert.Equal(tensors.Length, planned.Tensors.Count);
            },
            iter: 5000);

    // In canonical order every tensor whose elements are whole bytes begins at a multiple of their size.
    [Fact]
    public void Planned_tensors_are_aligned() =>
        GenTensors.Sample(
            tensors => Assert.All(
                SafetensorsHeader.Plan(tensors, null).Tensors.Where(tensor => tensor.DType.Bytes() > 0),
                tensor => Assert.Equal(0, tensor.Offset % tensor.DType.Bytes())),
            iter: 1000);

    [Fact]
    public void No_mutation_is_answered_but_by_a_header_that_holds_or_a_refusal()
    {
        int accepted = 0;
        int refused = 0;
        Gen.Select(GenTensors, GenMetadata, GenMutation.Array[1, 4], Gen.Bool).Sample(
            (tensors, metadata, mutations, strict) =>
            {
                byte[] file = WithData(SafetensorsHeader.Plan(tensors, metadata));
                foreach (Func<byte[], byte[]> mutate in mutations)
                {
                    file = mutate(file);
                }

                long before = GC.GetAllocatedBytesForCurrentThread();
                try
                {
                    SafetensorsHeader header = SafetensorsHeader.Read(
                        new MemoryStream(file), file.Length, null, strict ? SafetensorsMode.Strict : SafetensorsMode.Reference);
                    AssertHolds(header, file.Length);
                    Interlocked.Increment(ref accepted);
                }
                catch (InvalidFileException)
                {
                    Interlocked.Increment(ref refused);
                }

                Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
            },
            iter: 30_000);
        Assert.True(accepted > 300 && refused > 300, $"{accepted} accepted, {refused} refused: the mutations test one side alone");
    }

    private static Gen<string> OneOf(params string[] texts) => Gen.Int[0, texts.Length - 1].Select(i => texts[i]);

    private static Func<byte[], byte[]> Mutation(Func<byte[], byte[]> mutate) => mutate;

    private static byte[] WithData(SafetensorsHeader header) => [.. header.ToBytes(), .. new byte[header.FileLength - header.DataOffset]];

    // A place within the header's text.
    private static int Place(byte[] file, double at) =>
        8 + (int)(at * (Math.Clamp(BitConverter.ToInt64(file), 1, Math.Max(1, file.Length - 8)) - 1));

    private static byte[] Set(byte[] file, int at, byte value)
    {
        if (at >= file.Length) return file;
        byte[] changed = [.. file];
        changed[at] = value;
        return changed;
    }

    private static byte[] SetDigit(byte[] file, int at, byte digit)
    {
        int found = at < file.Length ? file.AsSpan(at).IndexOfAnyInRange((byte)'0', (byte)'9') : -1;
        return found < 0 ? file : Set(file, at + found, digit);
    }

    // The length follows, so that the text is reached.
    private static byte[] Insert(byte[] file, int at, string text)
    {
        if (at > file.Length) return file;
        byte[] changed = [.. file[..at], .. text.Select(c => (byte)c), .. file[at..]];
        BitConverter.TryWriteBytes(changed, BitConverter.ToInt64(file) + text.Length);
        return changed;
    }

    private static byte[] Remove(byte[] file, int at)
    {
        if (at >= file.Length) return file;
        byte[] changed = [.. file[..at], .. file[(at + 1)..]];
        BitConverter.TryWriteBytes(changed, BitConverter.ToInt64(file) - 1);
        return changed;
    }

    private static void AssertHolds(SafetensorsHeader header, long fileLength)
    {
        long end = header.DataOffset;
        foreach (TensorInfo tensor in header.Tensors)
        {
            Assert.Equal(end, tensor.Offset);
            Assert.Equal((Int128)tensor.ByteLength * 8, tensor.Shape.Sizes.Aggregate((Int128)1, (product, size) => product * size) * tensor.DType.Bits());
            Assert.True(header.TryGetTensor(tensor.Name, out TensorInfo? found));
            Assert.Same(tensor, found);
            end = tensor.End;
        }

        Assert.Equal(fileLength, end);
        Assert.Equal(fileLength, header.FileLength);
    }
}
