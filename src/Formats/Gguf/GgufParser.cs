using LoraKit.Formats.Containers;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Gguf;

/// <summary>Untrusted bytes to key/values and tensors. See spec/containers/gguf.md, "Reading".</summary>
internal sealed class GgufParser(OpenFile file)
{
    private const int MostEntries = 1 << 20;
    private const long MostHeaderBytes = 256L << 20;
    private const int LongestKey = 65535;
    private const int MostDimensions = 4;

    // The least that a key with its value, and a tensor, can take.
    private const int KeyValueBytes = sizeof(ulong) + sizeof(uint) + 1;
    private const int TensorBytes = sizeof(ulong) + sizeof(uint) + sizeof(uint) + sizeof(ulong);

    private readonly GgufCursor _cursor = new(file);

    /// <exception cref="InvalidFileException">A rule is broken.</exception>
    /// <exception cref="UnsupportedException">Another version, byte order, or type of tensor or value.</exception>
    public GgufHeader Read()
    {
        uint version = Version();
        long tensorCount = Entries(TensorBytes, "the number of tensors");
        long keyCount = Entries(KeyValueBytes, "the number of keys");
        OrderedDictionary<string, GgufValue> keyValues = KeyValues(keyCount);
        (uint alignment, string? wrong) = GgufHeader.AlignmentOf(keyValues);
        if (wrong is not null) throw file.Invalid(wrong);
        (string Name, GgmlType Type, TensorShape Shape, ulong Offset)[] listed = new (string, GgmlType, TensorShape, ulong)[tensorCount];
        for (int i = 0; i < listed.Length; i++)
        {
            listed[i] = Tensor();
        }

        long dataStart = GgufHeader.Aligned(_cursor.Position, alignment);
        GgufTensor[] tensors = [.. listed.Select(tensor => Place(tensor.Name, tensor.Type, tensor.Shape, tensor.Offset, dataStart, alignment))];
        RefuseTwins(tensors);
        return new(version, keyValues, tensors, dataStart);
    }

    private uint Version()
    {
        _cursor.Skip(sizeof(uint), "the magic number");
        uint version = _cursor.UInt32("the version");
        if (version is 2 or 3) return version;
        throw file.Unsupported((version & 0xFFFF) == 0 && version != 0
            ? "is a big-endian GGUF file, which is not read; convert it to little-endian"
            : $"is a GGUF file of version {version}; versions 2 and 3 are read");
    }

    private long Entries(int leastBytes, string what)
    {
        long count = _cursor.Count(leastBytes, what);
        return count <= MostEntries ? count : throw file.Unsupported($"{what} is {count}; at most {MostEntries} are read");
    }

    private OrderedDictionary<string, GgufValue> KeyValues(long count)
    {
        OrderedDictionary<string, GgufValue> values = new(StringComparer.Ordinal);
        for (long i = 0; i < count; i++)
        {
            long start = _cursor.Position;
            string key = _cursor.Text(LongestKey, "a key");
            if (key.Length == 0) throw file.Invalid($"has a key without a name at byte {start}");
            GgufValue value = Value($"the value of '{Printable.Text(key)}'");
            if (!values.TryAdd(key, value)) throw file.Invalid($"the key '{Printable.Text(key)}' stands twice in the header");
        }

        return values;
    }

    private GgufValue Value(string what)
    {
        GgufValueType type = Type(what);
        GgufValueType? elementType = null;
        long count = 1;
        if (type == GgufValueType.Array)
        {
            elementType = Type(what);
            if (elementType == GgufValueType.Array) throw file.Unsupported($"{what} is an array of arrays, which is not read");
            count = _cursor.Count(Math.Max(1, elementType == GgufValueType.String ? sizeof(ulong) : elementType.Value.Bytes()), $"the count of {what}");
        }

        GgufValueType each = elementType ?? type;
        long start = _cursor.Position;
        if (each.Bytes() > 0)
        {
            _cursor.Skip(count * each.Bytes(), what);
        }
        else
        {
            for (long i = 0; i < count; i++)
            {
                _cursor.Skip(_cursor.Count(1, $"the length of {what}"), what);
            }
        }

        if (_cursor.Position > MostHeaderBytes) throw file.Unsupported($"has a header of more than {MostHeaderBytes} bytes, which is not read");
        byte[] bytes = _cursor.Since(start);
        if (each == GgufValueType.Bool && bytes.AsSpan().ContainsAnyExceptInRange((byte)0, (byte)1)) throw file.Invalid($"{what} is no 0 or 1; expected one of them for a bool");
        return new(type, elementType, count, bytes);
    }

    private GgufValueType Type(string what)
    {
        uint number = _cursor.UInt32($"the type of {what}");
        return number <= (uint)GgufValueType.F64 ? (GgufValueType)number : throw file.Invalid($"{what} has the type {number}; types 0 to 12 are known");
    }

    private (string Name, GgmlType Type, TensorShape Shape, ulong Offset) Tensor()
    {
        string name = _cursor.Text(GgufHeader.LongestName, "a tensor's name");
        string what = $"the description of tensor '{Printable.Text(name)}'";
        uint rank = _cursor.UInt32(what);
        if (rank > MostDimensions) throw file.Invalid($"has {rank} dimensions; at most {MostDimensions} are expected", name);
        Span<long> sizes = stackalloc long[(int)rank];
        for (int i = sizes.Length - 1; i >= 0; i--)
        {
            ulong size = _cursor.UInt64(what);
            sizes[i] = size <= long.MaxValue ? (long)size : throw file.Invalid($"has a dimension of {size}, which passes 63 bits", name);
        }

        uint number = _cursor.UInt32(what);
        GgmlType type = GgmlType.Find(number) ?? throw file.Unsupported($"is of ggml's type {number}, which is not known", name);
        return (name, type, new(sizes), _cursor.UInt64(what));
    }

    private GgufTensor Place(string name, GgmlType type, TensorShape shape, ulong offset, long dataStart, uint alignment)
    {
        try
        {
            long length = type.Bytes(shape);
            if (offset % alignment != 0) throw file.Invalid($"begins at byte {offset} of the data; expected a multiple of {alignment}", name);
            long begin = checked(dataStart + (long)offset);
            if (length > file.Length - begin)
                throw file.Invalid($"{type.Name} {shape} takes {length} bytes from byte {begin} on; the file has {file.Length}: it is truncated; fetch it again", name);
            return new(name, type, shape, begin, length);
        }
        catch (OverflowException)
        {
            throw file.Invalid($"has sizes {shape} and an offset of {offset} that pass 64 bits", name);
        }
        catch (ArgumentException partial)
        {
            throw file.Invalid($"{shape}: {partial.Message}", name);
        }
    }

    private void RefuseTwins(GgufTensor[] tensors)
    {
        HashSet<string> names = new(StringComparer.Ordinal);
        foreach (GgufTensor tensor in tensors)
        {
            if (!names.Add(tensor.Name)) throw file.Invalid("stands twice in the file", tensor.Name);
        }

        GgufTensor? before = null;
        foreach (GgufTensor tensor in tensors.Where(tensor => tensor.ByteLength > 0).OrderBy(tensor => tensor.Offset))
        {
            if (before?.End > tensor.Offset) throw file.Invalid($"begins at byte {tensor.Offset}, within tensor '{Printable.Text(before.Name)}'", tensor.Name);
            before = tensor;
        }
    }
}
