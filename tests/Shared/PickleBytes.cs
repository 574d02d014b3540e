using System.Buffers.Binary;
using System.Text;

namespace LoraKit.Tests;

/// <summary>Pickles written by hand, instruction by instruction, as Python's pickletools documents them.</summary>
internal static class PickleBytes
{
    public static byte[] None { get; } = "N"u8.ToArray();

    public static byte[] False { get; } = [0x89];

    public static byte[] True { get; } = [0x88];

    public static byte[] EmptyOrderedDict { get; } = Call("collections", "OrderedDict");

    public static byte[] Of(params byte[][] value) => [0x80, 2, .. Join(value), (byte)'.'];

    public static byte[] Join(params IEnumerable<byte[]> parts) => [.. parts.SelectMany(part => part)];

    public static byte[] Text(string text)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        return [(byte)'X', .. Little(utf8.Length, 4), .. utf8];
    }

    public static byte[] Int(long value) => value is >= int.MinValue and <= int.MaxValue
        ? [(byte)'J', .. Little(value, 4)]
        : [0x8A, 8, .. Little(value, 8)];

    public static byte[] Float(double value)
    {
        byte[] bytes = new byte[9];
        bytes[0] = (byte)'G';
        BinaryPrimitives.WriteDoubleBigEndian(bytes.AsSpan(1), value);
        return bytes;
    }

    public static byte[] Tuple(params byte[][] items) => [(byte)'(', .. Join(items), (byte)'t'];

    public static byte[] List(params byte[][] items) => [(byte)']', (byte)'(', .. Join(items), (byte)'e'];

    public static byte[] Dict(params (string Key, byte[] Value)[] items) => [(byte)'}', .. Items(items)];

    public static byte[] Items(params (string Key, byte[] Value)[] items) => [(byte)'(', .. Join(items.Select(i => Join(Text(i.Key), i.Value))), (byte)'u'];

    public static byte[] Global(string module, string name) => Encoding.UTF8.GetBytes($"c{module}\n{name}\n");

    public static byte[] Call(string module, string name, params byte[][] arguments) => [.. Global(module, name), .. Tuple(arguments), (byte)'R'];

    public static byte[] Storage(string type, string key, long elements, string module = "torch") =>
        [.. Tuple(Text("storage"), Global(module, type), Text(key), Text("cpu"), Int(elements)), (byte)'Q'];

    public static byte[] Tensor(byte[] storage, long first, long[] sizes, long[] strides) => Call(
        "torch._utils", "_rebuild_tensor_v2", storage, Int(first), Longs(sizes), Longs(strides), False, EmptyOrderedDict);

    /// <summary>A row-major tensor that has a storage to itself.</summary>
    public static byte[] Tensor(string type, string key, params long[] sizes)
    {
        long[] strides = new long[sizes.Length];
        long step = 1;
        for (int d = sizes.Length - 1; d >= 0; d--)
        {
            strides[d] = step;
            step *= sizes[d];
        }

        return Tensor(Storage(type, key, step), 0, sizes, strides);
    }

    public static byte[] Longs(params long[] values) => Tuple([.. values.Select(Int)]);

    private static byte[] Little(long value, int bytes)
    {
        byte[] all = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(all, value);
        return all[..bytes];
    }
}
