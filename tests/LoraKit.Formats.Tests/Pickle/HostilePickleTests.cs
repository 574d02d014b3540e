using LoraKit.Formats.Tests.Containers;
using LoraKit.Tests;
using static LoraKit.Tests.PickleBytes;

namespace LoraKit.Formats.Tests.Pickle;

/// <summary>Pickles that were made to harm, or are damaged, stop with one line that says what was found.</summary>
public sealed class HostilePickleTests
{
    private static readonly byte[] Eight = [1, 2, 3, 4, 5, 6, 7, 8];

    [Theory]
    [InlineData("os", "system")]
    [InlineData("posix", "system")]
    [InlineData("builtins", "eval")]
    [InlineData("builtins", "getattr")]
    [InlineData("torch", "load")]
    [InlineData("torch.storage", "_load_from_bytes")]
    [InlineData("torch._utils", "_rebuild_tensor_v2.__globals__")]
    [InlineData("torch._utils", "_rebuild_sparse_tensor")]
    [InlineData("numpy.core.multiarray", "scalar")]
    [InlineData("collections", "OrderedDict.__class__")]
    [InlineData("", "")]
    public void Any_other_name_is_refused_by_name(string module, string name)
    {
        byte[] arguments = Join(Tuple(Text("echo")), "R"u8.ToArray());
        foreach (byte[] mention in (byte[][])[
            Global(module, name), Join(Global(module, name), arguments), Join(Text(module), Text(name), [0x93]), Join("("u8.ToArray(), [(byte)'i', .. Global(module, name)[1..]])])
        {
            foreach (byte[] pickle in (byte[][])[Of(mention), Of(Dict(("t", Tensor("FloatStorage", "0", 2)), ("x", mention)))])
            {
                Assert.Contains($"refused: {module}.{name}: ", OpenedTensors.Refusal<InvalidFileException>(TorchBytes.Zip(pickle, ("0", Eight))));
                Assert.Contains($"refused: {module}.{name}: ", OpenedTensors.Refusal<InvalidFileException>(TorchBytes.Legacy(pickle, ("0", 4, Eight))));
            }
        }
    }

    [Fact]
    public void A_name_that_would_move_the_cursor_is_escaped() => Assert.Contains(
        "refused: os\\u{001b}[2J.x", OpenedTensors.Refusal<InvalidFileException>(TorchBytes.Zip(Of(Global("os\u001b[2J", "x")))));

    [Theory]
    [InlineData("ComplexFloatStorage")]
    [InlineData("QInt8Storage")]
    public void Tensors_that_are_no_real_numbers_are_refused_by_type(string type) => Assert.Contains(
        $"tensors of torch.{type}", OpenedTensors.Refusal<UnsupportedException>(TorchBytes.Zip(Of(Dict(("t", Tensor(type, "0", 2)))), ("0", Eight))));

    public static TheoryData<string, byte[], string> Tensors => new()
    {
        { "past its storage", Tensor(Storage("FloatStorage", "0", 2), 1, [2], [1]), "behind its storage" },
        { "strides past its storage", Tensor(Storage("FloatStorage", "0", 2), 0, [2, 1, 2], [2, 9, 0]), "behind its storage" },
        { "storage of fewer bytes", Tensor("FloatStorage", "0", 3), "the file holds 2 of them" },
        { "no such storage", Tensor("FloatStorage", "1", 2), "which the file does not hold" },
        { "storage with a path for a key", Tensor("FloatStorage", "../../data/0", 2), "which the file does not hold" },
        { "negative size", Tensor(Storage("FloatStorage", "0", 2), 0, [-2], [1]), "negative" },
        { "negative stride", Tensor(Storage("FloatStorage", "0", 2), 1, [2], [-1]), "negative" },
        { "negative offset", Tensor(Storage("FloatStorage", "0", 2), -1, [1], [1]), "negative" },
        { "a size that overflows", Tensor(Storage("FloatStorage", "0", 2), 0, [1L << 40, 1L << 40], [0, 0]), "64 bits" },
        { "bytes that overflow", Tensor(Storage("FloatStorage", "0", 2), 0, [1L << 62], [0]), "64 bits" },
        { "a stride that overflows", Tensor(Storage("FloatStorage", "0", 2), 0, [3, 2], [long.MaxValue, 0]), "64 bits" },
        { "strides whose sum overflows", Tensor(Storage("FloatStorage", "0", 2), 0, [2, 2], [long.MaxValue, long.MaxValue]), "64 bits" },
        { "an offset that overflows", Tensor(Storage("FloatStorage", "0", 2), long.MaxValue, [1], [1]), "64 bits" },
        { "fewer strides", Tensor(Storage("FloatStorage", "0", 2), 0, [1, 2], [1]), "2 sizes and 1 strides" },
        { "too many dimensions", Tensor(Storage("FloatStorage", "0", 2), 0, new long[65], new long[65]), "65 dimensions" },
    };

    [Theory]
    [MemberData(nameof(Tensors))]
    public void A_tensor_that_does_not_fit_is_named(string what, byte[] tensor, string reason)
    {
        Assert.NotEmpty(what);
        foreach (byte[] file in (byte[][])[TorchBytes.Zip(Of(Dict(("bad one", tensor))), ("0", Eight)), TorchBytes.Legacy(Of(Dict(("bad one", tensor))), ("0", 4, Eight))])
        {
            if (reason.StartsWith("which the file") && file[0] == 0x80) continue; // The old form lists its storages.
            string message = OpenedTensors.Refusal<InvalidFileException>(file);
            Assert.Contains("tensor 'bad one' ", message);
            Assert.Contains(reason, message);
        }
    }

    [Fact]
    public void One_element_repeated_without_end_is_refused()
    {
        byte[] many = Tensor(Storage("FloatStorage", "0", 2), 0, [1L << 30, 1L << 10], [0, 0]);
        Assert.Contains(".contiguous()", OpenedTensors.Refusal<UnsupportedException>(TorchBytes.Zip(Of(Dict(("t", many))), ("0", Eight))));
    }

    public static TheoryData<string, byte[], string> Pickles => new()
    {
        { "nothing", [], "ends inside its pickle" },
        { "no stop", [0x80, 2, (byte)'}'], "ends inside its pickle" },
        { "a stop and no value", Of(), "takes a value where there is none" },
        { "a value from under a mark", Of("]N(a"u8.ToArray()), "takes a value where there is none" },
        { "a tuple without a mark", Of("Nt"u8.ToArray()), "takes a value where there is none" },
        { "a memory it does not have", Of("h\a"u8.ToArray()), "did not remember" },
        { "an unknown instruction", Of([0xFF]), "instruction 0xff" },
        { "a later protocol", [0x80, 6, (byte)'N', (byte)'.'], "protocol 6" },
        { "a text longer than the file", Of([(byte)'X', 255, 255, 255, 255]), "ends inside its pickle" },
        { "a text longer than memory", Of([0x8D, 255, 255, 255, 255, 255, 255, 255, 255]), "ends inside its pickle" },
        { "bytes longer than the file", Of([0x8E, 0, 0, 0, 0, 0, 1, 0, 0]), "ends inside its pickle" },
        { "a number longer than the file", Of([0x8B, 255, 255, 255, 127]), "a number of" },
        { "a text that is none", Of([(byte)'X', 1, 0, 0, 0, 0xFF]), "no UTF-8" },
        { "a number that is none", Of("I1x\n"u8.ToArray()), "where a number was expected" },
        { "an item for what is no list", Of("NNa"u8.ToArray()), "a list was expected" },
        { "an item for what is no dictionary", Of("]NNs"u8.ToArray()), "a dictionary was expected" },
        { "a key without a value", Of("}(Nu"u8.ToArray()), "a key and no value" },
        { "attributes of a list", Of("]}b"u8.ToArray()), "to give attributes to" },
        { "a call of a text", Of(Text("eval"), ")R"u8.ToArray()), "a name to call was expected" },
        { "a call of a type", Of(Global("torch", "FloatStorage"), ")R"u8.ToArray()), "calls torch.FloatStorage" },
        { "a tensor without a storage", Of(Call("torch._utils", "_rebuild_tensor_v2", None, Int(0), Longs(1), Longs(1), False, None)), "calls torch._utils._rebuild_tensor_v2" },
        { "a parameter of nothing", Of(Call("torch._utils", "_rebuild_parameter", None, False, None)), "calls torch._utils._rebuild_parameter" },
        { "a whole module", Of(Tuple(Text("module"), None, None, None), "Q"u8.ToArray()), "no storage of torch.save" },
        { "a storage of a negative size", Of(Storage("FloatStorage", "0", -1)), "no storage of torch.save" },
        { "a storage without a type", Of(Tuple(Text("storage"), Text("FloatStorage"), Text("0"), Text("cpu"), Int(1)), "Q"u8.ToArray()), "no storage of torch.save" },
    };

    [Theory]
    [MemberData(nameof(Pickles))]
    public void A_damaged_pickle_is_told(string what, byte[] pickle, string reason)
    {
        Assert.NotEmpty(what);
        Assert.Contains(reason, OpenedTensors.Refusal<InvalidFileException>(TorchBytes.Zip(pickle, ("0", Eight))));
    }

    [Fact]
    public void Depth_costs_no_stack_and_circles_no_time()
    {
        byte[] tensor = Tensor("FloatStorage", "0", 2);
        byte[] deep = Join([.. Enumerable.Repeat("]"u8.ToArray(), 300_000), .. Enumerable.Repeat("a"u8.ToArray(), 299_999)]);
        Assert.Single(OpenedTensors.Values(TorchBytes.Zip(Of(Dict(("x", deep), ("t", tensor))), ("0", Eight))));

        // {"self": itself, "x": {"up": the first}} beside a tensor, and without one.
        byte[] circle = Join("}q\u0001("u8.ToArray(), Text("self"), "h\u0001u"u8.ToArray());
        Assert.Contains("holds no tensors", OpenedTensors.Refusal<UnsupportedException>(TorchBytes.Zip(Of(circle))));
        byte[] both = Join("}q\u0001("u8.ToArray(), Text("self"), "h\u0001"u8.ToArray(), Text("t"), tensor, "u"u8.ToArray());
        Assert.Contains("deep in each other", OpenedTensors.Refusal<InvalidFileException>(TorchBytes.Zip(Of(both), ("0", Eight))));
    }

    [Fact]
    public void A_byte_that_makes_an_object_is_counted()
    {
        byte[] pickle = Of(Enumerable.Repeat((byte)'}', 5_000_000).ToArray());
        Assert.Contains("more than 2000000 values", OpenedTensors.Refusal<InvalidFileException>(TorchBytes.Zip(pickle)));
        Assert.Contains("more than 2000000 values", OpenedTensors.Refusal<InvalidFileException>(TorchBytes.Zip(Of(Enumerable.Repeat((byte)'(', 5_000_000).ToArray()))));
    }

    [Theory]
    [InlineData("a text", "_codecs", "encode")]
    [InlineData("a list", "collections", "OrderedDict")]
    [InlineData("a tuple", "torch._utils", "_rebuild_tensor_v2")]
    public void A_long_argument_given_again_and_again_is_counted(string what, string module, string name)
    {
        const int items = 100_000;
        byte[] item = Join(Tuple(Int(1), Int(2)), "q\u0001"u8.ToArray());
        byte[] again = Enumerable.Repeat("h\u0001"u8.ToArray(), items).SelectMany(get => get).ToArray();
        byte[] many = what switch
        {
            "a text" => Text(new string('x', 32 * items)),
            "a list" => Join(item, "0]("u8.ToArray(), again, "e"u8.ToArray()),
            _ => Join(Int(1), "q\u00010("u8.ToArray(), again, "t"u8.ToArray()),
        };
        byte[] held = "h\0"u8.ToArray();
        byte[] arguments = what switch
        {
            "a text" => Tuple(held, Text("latin1")),
            "a list" => Tuple(held),
            _ => Tuple(Storage("FloatStorage", "0", 2), Int(0), held, held, False, EmptyOrderedDict),
        };
        byte[] call = Join(Global(module, name), arguments, "R0"u8.ToArray());
        byte[] Calls(int count) => Of(many, "q\00"u8.ToArray(), Join([.. Enumerable.Repeat(call, count)]), Dict(("t", Tensor("FloatStorage", "0", 2))));

        Assert.Single(OpenedTensors.Values(TorchBytes.Zip(Calls(2), ("0", Eight))));
        Assert.Contains("more than 2000000 values", OpenedTensors.Refusal<InvalidFileException>(TorchBytes.Zip(Calls(20), ("0", Eight))));
    }

    [Fact]
    public void Tensors_beyond_counting_in_nested_dictionaries_are_refused()
    {
        // Each level holds the one below ten times: 10¹² names for one tensor.
        List<byte[]> levels = [Join(Dict(("t", Tensor("FloatStorage", "0", 2))), "q\u0001"u8.ToArray())];
        for (int level = 0; level < 12; level++)
        {
            levels.Add(Join([.. "0}("u8], Join(Enumerable.Range(0, 10).Select(i => Join(Text($"{i}"), "h\u0001"u8.ToArray()))), "uq\u0001"u8.ToArray()));
        }

        levels.Add(Join("("u8.ToArray(), Text("first"), Tensor("FloatStorage", "0", 2), "u"u8.ToArray()));
        Assert.Contains("more than", OpenedTensors.Refusal<InvalidFileException>(TorchBytes.Zip(Of(Join(levels)), ("0", Eight))));
    }

    [Fact]
    public void A_pickle_that_torch_did_not_write_is_told()
    {
        Assert.Contains("none that torch.save wrote", OpenedTensors.Refusal<InvalidFileException>([.. Of(Dict(("a", Int(1)))), .. new byte[600]]));
        Assert.Contains("another protocol", OpenedTensors.Refusal<UnsupportedException>([.. TorchBytes.Legacy([])[..15], .. Of(Int(1002))]));
    }

    [Fact]
    public void A_program_is_told_from_weights()
    {
        byte[] zip = new ZipBytes { new ZipPart("m/data.pkl", Of(None)), new ZipPart("m/constants.pkl", Of(None)) }.ToArray();
        Assert.Contains("TorchScript", OpenedTensors.Refusal<UnsupportedException>(zip));
    }

    [Fact]
    public void An_old_file_whose_storages_lie_is_told()
    {
        byte[] pickle = Of(Dict(("t", Tensor("FloatStorage", "0", 2))));
        byte[] file = TorchBytes.Legacy(pickle, ("0", 4, Eight));
        Assert.Contains("cut short", OpenedTensors.Refusal<InvalidFileException>(file[..^1]));
        byte[] huge = [.. file];
        huge[^9] = 0x7F;
        Assert.Contains("announces", OpenedTensors.Refusal<InvalidFileException>(huge));
        Assert.Contains("no tensor lies in", OpenedTensors.Refusal<InvalidFileException>(TorchBytes.Legacy(pickle, ("1", 4, Eight))));
        Assert.Contains("twice", OpenedTensors.Refusal<InvalidFileException>(TorchBytes.Legacy(pickle, ("0", 4, Eight), ("0", 4, Eight))));
    }
}
