using System.Text;

namespace LoraKit.Tests;

/// <summary>Bytes of a GGUF file, laid out by its description (ggml/docs/gguf.md) and by nothing of the library.</summary>
internal sealed class GgufBytes
{
    private readonly List<byte> _values = [];
    private readonly List<(string Name, long[] Dims, uint Type, byte[] Data, long? Offset)> _tensors = [];

    public uint Version { get; init; } = 3;

    public int Alignment { get; init; } = 32;

    public long? TensorCount { get; init; }

    public long? KeyCount { get; set; }

    public int Keys { get; private set; }

    public static byte[] Singles(params double[] values) => [.. values.SelectMany(value => BitConverter.GetBytes((float)value))];

    public GgufBytes Key(string key, string value) => Key(key, 8, Text(value));

    public GgufBytes Key(string key, uint value) => Key(key, 4, BitConverter.GetBytes(value));

    public GgufBytes Key(string key, float value) => Key(key, 6, BitConverter.GetBytes(value));

    /// <summary>A value of any type, as its bytes.</summary>
    public GgufBytes Key(string key, uint type, byte[] value)
    {
        _values.AddRange(Text(key));
        _values.AddRange(BitConverter.GetBytes(type));
        _values.AddRange(value);
        Keys++;
        return this;
    }

    public GgufBytes Array(string key, uint elementType, long count, byte[] elements) =>
        Key(key, 9, [.. BitConverter.GetBytes(elementType), .. BitConverter.GetBytes(count), .. elements]);

    /// <summary>A tensor; the dimensions innermost first.</summary>
    public GgufBytes Tensor(string name, long[] dims, uint type, byte[] data, long? offset = null)
    {
        _tensors.Add((name, dims, type, data, offset));
        return this;
    }

    /// <summary>Of singles; the shape outermost first.</summary>
    public GgufBytes Tensor(string name, long[] shape, params double[] values) => Tensor(name, [.. shape.Reverse()], 0, Singles(values));

    public static byte[] Text(string text) => [.. BitConverter.GetBytes((long)Encoding.UTF8.GetByteCount(text)), .. Encoding.UTF8.GetBytes(text)];

    public byte[] ToArray()
    {
        List<byte> file = [.. "GGUF"u8, .. BitConverter.GetBytes(Version), .. BitConverter.GetBytes(TensorCount ?? _tensors.Count), .. BitConverter.GetBytes(KeyCount ?? Keys), .. _values];
        List<byte> data = [];
        foreach ((string name, long[] dims, uint type, byte[] bytes, long? offset) in _tensors)
        {
            file.AddRange(Text(name));
            file.AddRange(BitConverter.GetBytes(dims.Length));
            file.AddRange(dims.SelectMany(BitConverter.GetBytes));
            file.AddRange(BitConverter.GetBytes(type));
            file.AddRange(BitConverter.GetBytes(offset ?? data.Count));
            data.AddRange(bytes);
            Pad(data);
        }

        Pad(file);
        return [.. file, .. data];
    }

    private void Pad(List<byte> bytes)
    {
        while (bytes.Count % Alignment != 0) bytes.Add(0);
    }
}
