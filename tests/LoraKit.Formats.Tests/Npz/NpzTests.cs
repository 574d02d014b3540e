using System.Text;
using LoraKit.Formats.Tensors;
using LoraKit.Formats.Tests.Containers;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Npz;

/// <summary>NumPy's archives: versions, orders, types, compression, and what is refused.</summary>
public sealed class NpzTests
{
    [Theory]
    [InlineData("<f2", DType.F16)]
    [InlineData("<f4", DType.F32)]
    [InlineData("<f8", DType.F64)]
    [InlineData("|i1", DType.I8)]
    [InlineData("<i2", DType.I16)]
    [InlineData("<i4", DType.I32)]
    [InlineData("<i8", DType.I64)]
    [InlineData("|u1", DType.U8)]
    [InlineData("<u2", DType.U16)]
    [InlineData("<u4", DType.U32)]
    [InlineData("<u8", DType.U64)]
    [InlineData("|b1", DType.Bool)]
    [InlineData("<b1", DType.Bool)]
    [InlineData(">i1", DType.I8)] // One byte has no order.
    public void Every_type_is_read_in_both_orders_stored_and_deflated(string descr, DType dtype)
    {
        int size = dtype.Bytes();
        byte[] values = new byte[37 * 53 * size];
        new Random(5).NextBytes(values);
        byte[] turned = new byte[values.Length];
        for (int i = 0; i < 37 * 53; i++)
        {
            // Element (row, column) of column-major order is number row + 37·column.
            values.AsSpan((i / 53 + 37 * (i % 53)) * size, size).CopyTo(turned.AsSpan(i * size));
        }

        byte[] file = Archive(
            new("c.w.npy", Npy(descr, false, "37, 53", values)), new("f.w.npy", Npy(descr, true, "37, 53", values)),
            new("d.npy", Npy(descr, false, "37, 53", values)) { Deflate = true }, new("e.npy", Npy(descr, true, "37, 53", values)) { Deflate = true });
        OpenedTensors.Of(file, source =>
        {
            Assert.Equal("npz", source.Container);
            Assert.Equal(["c.w", "f.w", "d", "e"], source.Tensors.Select(t => t.Name));
            Assert.All(source.Tensors, t => Assert.Equal((dtype, new TensorShape(37, 53)), (t.DType, t.Shape)));
            Assert.Equal([values, turned, values, turned], OpenedTensors.Values(source).Values);
            return 0;
        });
    }

    [Theory]
    [InlineData(1, "(2,)")]
    [InlineData(2, "(2,)")]
    [InlineData(3, "(2,)")]
    [InlineData(1, "(2, 1)")]
    [InlineData(1, "(1, 2, )")]
    [InlineData(1, "(2L,)")]
    [InlineData(1, "(2)")]
    public void Versions_and_spellings(byte version, string shape)
    {
        byte[] values = [1, 2, 3, 4, 5, 6, 7, 8];
        byte[] header = Header($"{{\"shape\": {shape}, 'fortran_order': False,'descr':'<f4'}}", version);
        Assert.Equal(values, OpenedTensors.Values(Archive(new ZipPart("t.npy", [.. header, .. values])))["t"]);
    }

    [Fact]
    public void Scalars_and_empty_arrays()
    {
        byte[] file = Archive(new("s.npy", Npy("<f4", false, "", [1, 2, 3, 4])), new("e.npy", Npy("<f4", true, "0, 5", [])), new("v.npy", Npy("<f4", true, "1,", [1, 2, 3, 4])));
        OpenedTensors.Of(file, source =>
        {
            Assert.Equal(["[]", "[0, 5]", "[1]"], source.Tensors.Select(t => t.Shape.ToString()));
            Assert.Equal([1, 2, 3, 4], OpenedTensors.Bytes(source, source.Tensors[0]));
            return 0;
        });
    }

    [Fact]
    public void A_deflated_tensor_larger_than_what_is_kept_is_read_in_pieces()
    {
        byte[] values = new byte[1 << 20];
        new Random(9).NextBytes(values);
        OpenedTensors.Of(Archive(new ZipPart("t.npy", Npy("|u1", false, "1048576,", values)) { Deflate = true }), source =>
        {
            Parallel.For(0, 64, i =>
            {
                byte[] piece = new byte[16383];
                source.Read(source.Tensors[0], i * 16384, piece);
                Assert.Equal(values.AsSpan(i * 16384, piece.Length).ToArray(), piece);
            });
            return 0;
        });
    }

    [Theory]
    [InlineData("|O", "array of objects is a pickle")]
    [InlineData(">f4", "big-endian")]
    [InlineData("<c8", "expected real numbers")]
    [InlineData("|V2", "bfloat16")]
    [InlineData("<U4", "expected real numbers")]
    [InlineData("<f16", "expected real numbers")]
    public void Other_types_are_refused_with_the_reason(string descr, string reason)
    {
        string message = OpenedTensors.Refusal<UnsupportedException>(Archive(new ZipPart("t.npy", Npy(descr, false, "1,", new byte[4]))));
        Assert.Contains($"tensor 't' has elements of the NumPy type '{descr}'", message);
        Assert.Contains(reason, message);
    }

    public static TheoryData<string, byte[], string> Bad => new()
    {
        { "no array", "numbers, no header"u8.ToArray(), "no NumPy array" },
        { "too short", [0x93, .. "NUMPY"u8, 1, 0], "expected a NumPy array" },
        { "a later version", Header("{'descr': '<f4', 'fortran_order': False, 'shape': ()}", 4), "version 1, 2 or 3" },
        { "a header longer than the file", [0x93, .. "NUMPY"u8, 2, 0, 255, 255, 255, 255], "a NumPy header of 4294967295 bytes" },
        { "fewer numbers", Npy("<f4", false, "3,", new byte[8]), "behind its storage" },
        { "more numbers", Npy("<f4", false, "1,", new byte[8]), "its member has" },
        { "a size that overflows", Npy("<f4", false, "4294967296, 4294967296", new byte[8]), "64 bits" },
        { "a size that overflows in columns", Npy("<f4", true, "4294967296, 4294967296, 2", new byte[8]), "64 bits" },
        { "a size beyond 64 bits", Npy("<f4", false, "99999999999999999999,", new byte[8]), "not understood" },
        { "a negative size", Npy("<f4", false, "-1,", new byte[8]), "not understood" },
        { "a program for a size", Npy("<f4", false, "__import__('os').system('x'),", new byte[8]), "not understood" },
        { "a structure", Header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}"), "not understood" },
        { "no shape", Header("{'descr': '<f4', 'fortran_order': False}"), "not understood" },
        { "two shapes", Header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'shape': (2,)}"), "not understood" },
        { "another entry", Header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}"), "not understood" },
        { "something after", Header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x"), "not understood" },
        { "no end", Header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,"), "not understood" },
        { "an order that is none", Header("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}"), "not understood" },
    };

    [Theory]
    [MemberData(nameof(Bad))]
    public void A_damaged_array_is_named(string what, byte[] array, string reason)
    {
        Assert.NotEmpty(what);
        string message = OpenedTensors.Refusal<InvalidFileException>(Archive(new ZipPart("bad one.npy", array)));
        Assert.Contains("tensor 'bad one' ", message);
        Assert.Contains(reason, message);
    }

    [Fact]
    public void A_member_that_is_no_array_is_named() => Assert.Contains(
        "member 'notes.txt'", OpenedTensors.Refusal<InvalidFileException>(
            Archive(new("t.npy", Npy("<f4", false, "1,", new byte[4])), new ZipPart("notes.txt", [1]))));

    private static byte[] Archive(params ZipPart[] members) => new ZipBytes { members }.ToArray();

    private static byte[] Npy(string descr, bool fortran, string shape, byte[] values) =>
        [.. Header($"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': ({shape}), }}"), .. values];

    private static byte[] Header(string text, byte version = 1)
    {
        byte[] line = Encoding.ASCII.GetBytes(text + "  \n");
        byte[] length = version == 1 ? BitConverter.GetBytes((ushort)line.Length) : BitConverter.GetBytes(line.Length);
        return [0x93, .. "NUMPY"u8, version, 0, .. length, .. line];
    }
}
