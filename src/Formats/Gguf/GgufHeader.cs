using System.Numerics;
using System.Text;
using LoraKit.Formats.Containers;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Gguf;

/// <summary>A valid GGUF header: read from a file, or planned for one to be written. See spec/containers/gguf.md.</summary>
internal sealed class GgufHeader
{
    /// <summary>The longest name of a tensor, in bytes. llama.cpp keeps a NUL behind it, and so reads one byte less.</summary>
    public const int LongestName = 64;

    private const uint Magic = 0x46554747; // GGUF
    private const string AlignmentKey = "general.alignment";
    private const uint DefaultAlignment = 32;

    internal GgufHeader(uint version, OrderedDictionary<string, GgufValue> keyValues, IReadOnlyList<GgufTensor> tensors, long dataOffset)
    {
        Version = version;
        KeyValues = keyValues;
        Tensors = tensors;
        DataOffset = dataOffset;
    }

    /// <summary>2 or 3.</summary>
    public uint Version { get; }

    /// <summary>The key/values, in the order of the file.</summary>
    public IReadOnlyDictionary<string, GgufValue> KeyValues { get; }

    /// <summary>The tensors, in the order in which the header lists them; offsets count from the start of the file.</summary>
    public IReadOnlyList<GgufTensor> Tensors { get; }

    /// <summary>Where the tensors' bytes begin.</summary>
    public long DataOffset { get; }

    /// <summary>What every tensor begins at a multiple of.</summary>
    public uint Alignment => AlignmentOf(KeyValues).Bytes;

    /// <summary>The length of a whole file, the last padding included.</summary>
    public long FileLength => Tensors.Select(tensor => Aligned(tensor.End, Alignment)).Prepend(DataOffset).Max();

    /// <summary>Reads and checks the header of a file; nothing behind it is read.</summary>
    /// <exception cref="InvalidFileException">A rule is broken; the message names it and the tensor.</exception>
    /// <exception cref="UnsupportedException">Another version, byte order, or type of tensor or value.</exception>
    public static GgufHeader Read(OpenFile file) => new GgufParser(file).Read();

    /// <summary>Plans a file: places the tensors one after the other, in the order given.</summary>
    /// <param name="keyValues">The key/values; <c>general.alignment</c> among them is kept to.</param>
    /// <param name="tensors">The tensors.</param>
    /// <param name="version">2 or 3; the two are laid out alike.</param>
    /// <exception cref="ArgumentException">A name is too long for llama.cpp or given twice, there are more than 4 dimensions, or a row is no whole number of blocks.</exception>
    public static GgufHeader Plan(
        IEnumerable<KeyValuePair<string, GgufValue>> keyValues, IEnumerable<(string Name, GgmlType Type, TensorShape Shape)> tensors, uint version = 3)
    {
        OrderedDictionary<string, GgufValue> values = new(keyValues, StringComparer.Ordinal);
        (uint alignment, string? wrong) = AlignmentOf(values);
        if (wrong is not null) throw new ArgumentException(wrong);
        List<GgufTensor> placed = [];
        HashSet<string> names = new(StringComparer.Ordinal);
        long end = 0;
        foreach ((string name, GgmlType type, TensorShape shape) in tensors)
        {
            if (Encoding.UTF8.GetByteCount(name) >= LongestName) throw new ArgumentException($"tensor name '{Printable.Text(name)}' is longer than {LongestName - 1} bytes");
            if (!names.Add(name)) throw new ArgumentException($"tensor '{Printable.Text(name)}' is given twice");
            if (shape.Rank > 4) throw new ArgumentException($"tensor '{Printable.Text(name)}' {shape} has more than 4 dimensions");
            placed.Add(new(name, type, shape, end, type.Bytes(shape)));
            end = Aligned(placed[^1].End, alignment);
        }

        long data = Aligned(new GgufHeader(version, values, placed, 0).Listing().Length, alignment);
        return new(version, values, [.. placed.Select(tensor => tensor with { Offset = tensor.Offset + data })], data);
    }

    /// <summary>The file's bytes before <see cref="DataOffset"/>.</summary>
    public byte[] ToBytes()
    {
        byte[] bytes = new byte[DataOffset];
        Listing().CopyTo(bytes, 0);
        return bytes;
    }

    /// <summary>A position, or the next multiple of the alignment.</summary>
    /// <exception cref="OverflowException">It does not fit in 64 bits.</exception>
    public static long Aligned(long position, uint alignment) => checked((position + alignment - 1) / alignment * alignment);

    /// <summary>The alignment that key/values state, and what is wrong with it, if anything is.</summary>
    public static (uint Bytes, string? Wrong) AlignmentOf(IReadOnlyDictionary<string, GgufValue> keyValues)
    {
        if (!keyValues.TryGetValue(AlignmentKey, out GgufValue? value)) return (DefaultAlignment, null);
        return value.Type == GgufValueType.U32 && BitOperations.IsPow2(value.Integer!.Value)
            ? ((uint)value.Integer!.Value, null)
            : (0, $"'{AlignmentKey}' is {value.Shown ?? "an array"}; expected a power of two, as u32");
    }

    private byte[] Listing()
    {
        MemoryStream bytes = new();
        using BinaryWriter writer = new(bytes); // Little-endian everywhere.
        writer.Write(Magic);
        writer.Write(Version);
        writer.Write((long)Tensors.Count);
        writer.Write((long)KeyValues.Count);
        foreach ((string key, GgufValue value) in KeyValues)
        {
            Write(writer, key);
            writer.Write((uint)value.Type);
            if (value.ElementType is { } element)
            {
                writer.Write((uint)element);
                writer.Write(value.Count);
            }

            writer.Write(value.Bytes.Span);
        }

        foreach (GgufTensor tensor in Tensors)
        {
            Write(writer, tensor.Name);
            writer.Write(tensor.Shape.Rank);
            foreach (long size in tensor.Shape.Sizes.Reverse())
            {
                writer.Write(size);
            }

            writer.Write(tensor.Type.Id);
            writer.Write(tensor.Offset - DataOffset);
        }

        writer.Flush();
        return bytes.ToArray();
    }

    private static void Write(BinaryWriter writer, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((long)bytes.Length);
        writer.Write(bytes);
    }
}
