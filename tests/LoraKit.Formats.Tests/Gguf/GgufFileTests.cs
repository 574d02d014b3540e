using LoraKit.Formats.Containers;
using LoraKit.Formats.Gguf;
using LoraKit.Formats.Tensors;
using LoraKit.Formats.Tests.Containers;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Gguf;

/// <summary>Reading GGUF: values and tensors of every type, and files of other programs.</summary>
public sealed class GgufFileTests
{
    [Theory]
    [InlineData(2u)]
    [InlineData(3u)]
    public void Values_of_every_type_in_their_order(uint version)
    {
        GgufBytes file = new GgufBytes { Version = version }
            .Key("general.architecture", "llama").Key("i", 5, BitConverter.GetBytes(-5)).Key("f", 0.5f).Key("t", 7, [1]).Key("u8", 0, [200]).Key("i8", 1, [200])
            .Key("u16", 2, BitConverter.GetBytes((ushort)65535)).Key("i16", 3, BitConverter.GetBytes((short)-2)).Key("u64", 10, BitConverter.GetBytes(ulong.MaxValue))
            .Key("i64", 11, BitConverter.GetBytes(-7L)).Key("f64", 12, BitConverter.GetBytes(0.1)).Key("ü", "ß").Key("u32", 4_000_000_000u)
            .Array("texts", 8, 2, [.. GgufBytes.Text("a"), .. GgufBytes.Text("bc")]).Array("numbers", 4, 2, [1, 0, 0, 0, 2, 0, 0, 0]).Array("none", 8, 0, []);
        OpenedTensors.Of(file.ToArray(), source =>
        {
            Assert.Equal("gguf", source.Container);
            Assert.Empty(source.Tensors);
            Assert.Equal(
                ["general.architecture=llama", "i=-5", "f=0.5", "t=true", "u8=200", "i8=-56", "u16=65535", "i16=-2", "u64=18446744073709551615", "i64=-7", "f64=0.1", "ü=ß", "u32=4000000000"],
                source.Metadata.Select(pair => $"{pair.Key}={pair.Value}"));
            GgufHeader header = ((GgufFile)source).Header;
            Assert.Equal(file.Keys, header.KeyValues.Count);
            Assert.Equal([1, 2], header.KeyValues["numbers"].Integers());
            Assert.Equal((GgufValueType.Array, GgufValueType.String, 2), (header.KeyValues["texts"].Type, header.KeyValues["texts"].ElementType!.Value, header.KeyValues["texts"].Count));
            Assert.Null(header.KeyValues["u64"].Integer);
            Assert.Null(header.KeyValues["texts"].Integers());
            Assert.Equal(version, header.Version);
            return 0;
        });
    }

    [Theory]
    [InlineData(0u, DType.F32)]
    [InlineData(1u, DType.F16)]
    [InlineData(24u, DType.I8)]
    [InlineData(25u, DType.I16)]
    [InlineData(26u, DType.I32)]
    [InlineData(27u, DType.I64)]
    [InlineData(28u, DType.F64)]
    [InlineData(30u, DType.BF16)]
    public void Plain_tensors_have_their_sizes_outermost_first(uint type, DType dtype)
    {
        byte[] values = new byte[37 * 53 * dtype.Bytes()];
        new Random(1).NextBytes(values);
        GgufBytes file = new GgufBytes { Alignment = 64 }.Key("general.alignment", 64u)
            .Tensor("a.weight", [53, 37], type, values).Tensor("empty", [0, 4], type, []).Tensor("scalar", [], type, values[..dtype.Bytes()]).Tensor("four", [1, 53, 1, 37], type, values);
        OpenedTensors.Of(file.ToArray(), source =>
        {
            Assert.Equal(
                [("a.weight", new(37, 53)), ("empty", new(4, 0)), ("scalar", new()), ("four", new TensorShape(37, 1, 53, 1))], source.Tensors.Select(t => (t.Name, t.Shape)));
            Assert.All(source.Tensors, t => Assert.Equal(dtype, t.DType));
            Assert.All(source.Tensors, t => Assert.Equal(0, t.Offset % 64));
            Assert.Equal([values, [], values[..dtype.Bytes()], values], OpenedTensors.Values(source).Values);
            return 0;
        });
    }

    [Fact]
    public void Quantised_types_are_listed_with_their_sizes_and_Q8_0_has_values()
    {
        Dictionary<uint, (int Elements, int Bytes)> sizes = new()
        {
            [2] = (32, 18),
            [3] = (32, 20),
            [6] = (32, 22),
            [7] = (32, 24),
            [8] = (32, 34),
            [9] = (32, 36),
            [10] = (256, 84),
            [11] = (256, 110),
            [12] = (256, 144),
            [13] = (256, 176),
            [14] = (256, 210),
            [15] = (256, 292),
            [16] = (256, 66),
            [17] = (256, 74),
            [18] = (256, 98),
            [19] = (256, 50),
            [20] = (32, 18),
            [21] = (256, 110),
            [22] = (256, 82),
            [23] = (256, 136),
            [29] = (256, 56),
            [34] = (256, 54),
            [35] = (256, 66),
            [39] = (32, 17),
            [40] = (64, 36),
        };
        GgufBytes file = new();
        foreach ((uint type, (int elements, int bytes)) in sizes)
        {
            file.Tensor($"t{type}", [2 * elements, 3], type, new byte[6 * bytes]);
        }

        OpenedTensors.Of(file.ToArray(), source =>
        {
            Assert.Equal("t8", Assert.Single(source.Tensors).Name);
            Assert.Equal(sizes.Select(size => ($"t{size.Key}", size.Key, 6L * size.Value.Bytes)), ((GgufFile)source).Header.Tensors.Select(t => (t.Name, t.Type.Id, t.ByteLength)));
            return 0;
        });
    }

    [Fact]
    public void A_real_model()
    {
        using ITensorSource source = TensorFiles.Open(Real("ollama__ollama", "api", "data", "llama-2-tiny-random.gguf"));
        GgufHeader header = ((GgufFile)source).Header;
        Assert.Equal("llama", header.KeyValues["general.architecture"].Text);
        Assert.Contains(header.Tensors, tensor => tensor.Name == "token_embd.weight" && tensor.Shape.Rank == 2);
        Assert.Equal(new FileInfo(source.Path).Length, header.FileLength);
        byte[] bytes = File.ReadAllBytes(source.Path);
        Assert.Equal(bytes[..(int)header.DataOffset], header.ToBytes());
        GgufTensor tensor = header.Tensors[^1];
        byte[] stored = new byte[tensor.ByteLength];
        ((GgufFile)source).ReadStored(tensor, 0, stored);
        Assert.Equal(bytes.AsSpan((int)tensor.Offset, stored.Length).ToArray(), stored);
    }

    [Fact]
    public void A_real_file_of_version_1_is_refused_as_such()
    {
        string path = Real("Raudbjorn__ggml-llama.cpp", "models", "ggml-vocab-llama.gguf");
        Assert.Contains("version 1;", Assert.Throws<UnsupportedException>(() => TensorFiles.Open(path)).Message, StringComparison.Ordinal);
    }

    private static string Real(params string[] parts)
    {
        Assert.SkipWhen(Paths.RealData is null, "no files of other programs on this machine");
        return Path.Combine([Paths.RealData!, "gguf", .. parts]);
    }
}
