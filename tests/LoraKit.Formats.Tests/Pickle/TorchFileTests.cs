using LoraKit.Formats.Tensors;
using LoraKit.Formats.Tests.Containers;
using LoraKit.Tests;
using static LoraKit.Tests.PickleBytes;

namespace LoraKit.Formats.Tests.Pickle;

/// <summary>What torch.save writes is read: types, parameters, nesting, scalars, both forms, all protocols.</summary>
public sealed class TorchFileTests
{
    private static readonly byte[] Eight = [1, 2, 3, 4, 5, 6, 7, 8];

    [Theory]
    [InlineData("DoubleStorage", DType.F64)]
    [InlineData("FloatStorage", DType.F32)]
    [InlineData("HalfStorage", DType.F16)]
    [InlineData("BFloat16Storage", DType.BF16)]
    [InlineData("LongStorage", DType.I64)]
    [InlineData("IntStorage", DType.I32)]
    [InlineData("ShortStorage", DType.I16)]
    [InlineData("CharStorage", DType.I8)]
    [InlineData("ByteStorage", DType.U8)]
    [InlineData("BoolStorage", DType.Bool)]
    public void A_storage_type_gives_the_element_type(string type, DType dtype)
    {
        byte[] pickle = Of(Dict(("t", Tensor(type, "0", 8 / dtype.Bytes()))));
        foreach (byte[] file in (byte[][])[TorchBytes.Zip(pickle, ("0", Eight)), TorchBytes.Legacy(pickle, ("0", dtype.Bytes(), Eight))])
        {
            OpenedTensors.Of(file, source =>
            {
                Assert.Equal("pickle", source.Container);
                Assert.Equal(dtype, source.Tensors.Single().DType);
                Assert.Equal(Eight, OpenedTensors.Bytes(source, source.Tensors[0]));
                return 0;
            });
        }
    }

    [Theory]
    [InlineData("float8_e4m3fn", DType.F8E4M3)]
    [InlineData("float8_e5m2", DType.F8E5M2)]
    [InlineData("uint16", DType.U16)]
    [InlineData("bfloat16", DType.BF16)]
    public void An_untyped_storage_takes_the_type_that_stands_with_the_tensor(string name, DType dtype)
    {
        foreach ((string module, string storage) in (ReadOnlySpan<(string, string)>)[("torch.storage", "UntypedStorage"), ("torch", "UntypedStorage"), ("torch.storage", "_UntypedStorage")])
        {
            // Offset and strides count elements, the storage counts bytes.
            byte[] tensor = Call("torch._utils", "_rebuild_tensor_v3", Storage(storage, "0", 8, module), Int(1), Longs(2), Longs(1), False, EmptyOrderedDict, Global("torch", name));
            OpenedTensors.Of(TorchBytes.Zip(Of(Dict(("t", tensor))), ("0", Eight)), source =>
            {
                Assert.Equal(dtype, source.Tensors.Single().DType);
                Assert.Equal(Eight.AsSpan(dtype.Bytes(), 2 * dtype.Bytes()).ToArray(), OpenedTensors.Bytes(source, source.Tensors[0]));
                return 0;
            });
        }
    }

    [Fact]
    public void A_state_dictionary_with_its_versions_and_parameters_is_read_in_its_order()
    {
        byte[] parameter = Call("torch._utils", "_rebuild_parameter", Tensor("FloatStorage", "1", 2), True, EmptyOrderedDict);
        byte[] attributes = Dict(("_metadata", Join(EmptyOrderedDict, Items(("", Dict(("version", Int(1))))))));
        byte[] pickle = Of(EmptyOrderedDict, Items(("z", Tensor("FloatStorage", "0", 1, 2)), ("a", parameter)), attributes, "b"u8.ToArray());
        OpenedTensors.Of(TorchBytes.Zip(pickle, ("0", Eight), ("1", [8, .. Eight[1..]])), source =>
        {
            Assert.Equal(["z", "a"], source.Tensors.Select(t => t.Name));
            Assert.Equal(8, OpenedTensors.Bytes(source, source.Tensors[1])[0]);
            return 0;
        });
    }

    [Fact]
    public void The_outermost_dictionary_with_tensors_counts_and_scalars_are_metadata()
    {
        byte[] tensor = Tensor("FloatStorage", "0", 2);
        byte[] pickle = Of(Dict(
            ("epoch", Int(7)), ("loss", Float(0.25)), ("name", Text("x")), ("done", True), ("nothing", None), ("big", [0x8A, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
            ("optimizer", Dict(("state", Dict(("exp_avg", tensor))))),
            ("lora", Dict(("a", tensor), ("alpha", Int(4)), ("inner", Dict(("b", tensor)))))));
        OpenedTensors.Of(TorchBytes.Zip(pickle, ("0", Eight)), source =>
        {
            Assert.Equal(["a", "inner.b"], source.Tensors.Select(t => t.Name));
            Assert.Equal(
                new Dictionary<string, string> { ["epoch"] = "7", ["loss"] = "0.25", ["name"] = "x", ["done"] = "True", ["big"] = "18446744073709551616", ["alpha"] = "4" },
                source.Metadata);
            return 0;
        });
    }

    [Fact]
    public void Of_several_dictionaries_state_dict_counts_and_else_none()
    {
        byte[] one = Dict(("one", Tensor("FloatStorage", "0", 2)));
        byte[] two = Dict(("two", Tensor("FloatStorage", "0", 2)));
        Assert.Equal(["two"], OpenedTensors.Values(TorchBytes.Zip(Of(Dict(("ema", one), ("state_dict", two))), ("0", Eight))).Keys);
        Assert.Equal(["one"], OpenedTensors.Values(TorchBytes.Zip(Of(Dict(("model", one), ("ema", two))), ("0", Eight))).Keys);
        string message = OpenedTensors.Refusal<UnsupportedException>(TorchBytes.Zip(Of(Dict(("ema", one), ("net", two))), ("0", Eight)));
        Assert.Contains("several dictionaries: 'ema', 'net'", message);
    }

    [Fact]
    public void A_list_of_tensors_has_numbers_for_names()
    {
        byte[] pickle = Of(List(Tensor("FloatStorage", "0", 2), Tensor("FloatStorage", "0", 1, 2)));
        Assert.Equal(["0", "1"], OpenedTensors.Values(TorchBytes.Zip(pickle, ("0", Eight))).Keys);
    }

    [Fact]
    public void Nothing_to_read_is_said_so()
    {
        Assert.Contains("one bare tensor", OpenedTensors.Refusal<UnsupportedException>(TorchBytes.Zip(Of(Tensor("FloatStorage", "0", 2)), ("0", Eight))));
        Assert.Contains("holds no tensors", OpenedTensors.Refusal<UnsupportedException>(TorchBytes.Zip(Of(Dict(("a", Int(1)))))));
        Assert.Contains("holds no tensors", OpenedTensors.Refusal<UnsupportedException>(TorchBytes.Zip(Of(None))));
    }

    [Fact]
    public void Old_views_of_a_storage_are_read()
    {
        byte[] view = [.. Tuple(Text("storage"), Global("torch", "HalfStorage"), Text("9"), Text("cpu"), Int(4), Tuple(Text("v"), Int(1), Int(2))), (byte)'Q'];
        byte[] pickle = Of(Dict(("t", Tensor(view, 0, [2], [1]))));
        Assert.Equal([3, 4, 5, 6], OpenedTensors.Values(TorchBytes.Legacy(pickle, ("9", 2, Eight)))["t"]);
    }

    [Fact]
    public void Protocol_4_is_read()
    {
        byte[] pickle =
        [
            0x80, 4, 0x95, 1, 0, 0, 0, 0, 0, 0, 0, (byte)'}', 0x94, (byte)'(',
            .. Short("t"), .. Short("torch._utils"), 0x94, .. Short("_rebuild_tensor_v2"), 0x93, 0x94, (byte)'(',
            (byte)'(', .. Short("storage"), .. Short("torch"), .. Short("FloatStorage"), 0x93, .. Short("0"), .. Short("cpu"), (byte)'K', 2, (byte)'t', (byte)'Q',
            (byte)'K', 0, (byte)'K', 2, 0x85, (byte)'K', 1, 0x85, 0x89, .. Short("collections"), .. Short("OrderedDict"), 0x93, (byte)')', (byte)'R', (byte)'t', (byte)'R',
            .. Short("again"), (byte)'h', 1, (byte)'u', (byte)'.',
        ];
        OpenedTensors.Of(TorchBytes.Zip(pickle, ("0", Eight)), source =>
        {
            Assert.Equal("t", source.Tensors.Single().Name);
            Assert.Equal("torch._utils", source.Metadata["again"]);
            return 0;
        });

        static byte[] Short(string text) => [0x8C, (byte)text.Length, .. System.Text.Encoding.ASCII.GetBytes(text)];
    }

    [Fact]
    public void Another_byte_order_is_refused()
    {
        byte[] pickle = Of(Dict(("t", Tensor("FloatStorage", "0", 2))));
        byte[] zip = new ZipBytes { new ZipPart("x/data.pkl", pickle), new ZipPart("x/byteorder", "big"u8.ToArray()), new ZipPart("x/data/0", Eight) }.ToArray();
        Assert.Contains("byte order 'big'", OpenedTensors.Refusal<UnsupportedException>(zip));
        byte[] legacy = Join(
            TorchBytes.Legacy([])[..15], Of(Int(1001)), Of(Dict(("little_endian", False))), pickle, Of(List(Text("0"))), BitConverter.GetBytes(2L), Eight);
        Assert.Contains("big-endian", OpenedTensors.Refusal<UnsupportedException>(legacy));
    }

    [Fact]
    public void A_deflated_archive_is_read_too()
    {
        byte[] pickle = Of(Dict(("t", Tensor("FloatStorage", "0", 2))));
        byte[] zip = new ZipBytes { new ZipPart("x/data.pkl", pickle) { Deflate = true }, new ZipPart("x/data/0", Eight) { Deflate = true } }.ToArray();
        Assert.Equal(Eight, OpenedTensors.Values(zip)["t"]);
    }
}
