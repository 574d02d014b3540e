using LoraKit.Formats.Containers;
using LoraKit.Formats.Files;
using LoraKit.Formats.Gguf;
using LoraKit.Formats.Tensors;
using LoraKit.Formats.Tests.Containers;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Gguf;

/// <summary>Writing: the bytes of the format, whole files, and what cannot be written.</summary>
public sealed class GgufWriterTests
{
    [Theory]
    [InlineData(32)]
    [InlineData(64)]
    public void The_bytes_are_those_of_the_description(int alignment)
    {
        byte[] large = new byte[3 * 700_001], small = [1, 2, 3, 4, 5, 6];
        new Random(2).NextBytes(large);
        GgufBytes expected = new GgufBytes { Alignment = alignment }.Key("general.architecture", "llama").Key("general.alignment", (uint)alignment).Key("x", 0.25f)
            .Array("y", 4, 2, [7, 0, 0, 0, 0, 0, 0, 128]).Tensor("blk.0.ffn_up.weight.lora_a", [700_001, 3], 24, large).Tensor("b", [3], 1, small).Tensor("c", [], 24, [9]);
        using TempFolder folder = new();
        Write(folder["a.gguf"],
            [
                new("general.architecture", GgufValue.Of("llama")), new("general.alignment", GgufValue.Of((uint)alignment)), new("x", GgufValue.Of(0.25f)),
                new("y", GgufValue.Of([7u, 0x8000_0000u])),
            ],
            [Tensor("blk.0.ffn_up.weight.lora_a", DType.I8, new(3, 700_001), large), Tensor("b", DType.F16, new(3), small), Tensor("c", DType.I8, new(), [9])]);
        Assert.Equal(expected.ToArray(), File.ReadAllBytes(folder["a.gguf"]));
        using ITensorSource source = TensorFiles.Open(folder["a.gguf"]);
        Assert.Equal([large, small, [9]], OpenedTensors.Values(source).Values);
    }

    [Fact]
    public void A_real_file_is_written_again_byte_by_byte()
    {
        Assert.SkipWhen(Paths.RealData is null, "no files of other programs on this machine");
        using GgufFile source = (GgufFile)TensorFiles.Open(Path.Combine(Paths.RealData!, "gguf", "ollama__ollama", "api", "data", "llama-2-tiny-random.gguf"));
        using TempFolder folder = new();
        Write(folder["a.gguf"], source.Header.KeyValues,
            [.. source.Header.Tensors.Select(t => new GgufTensorToWrite(t.Name, t.Type, t.Shape, (start, bytes) => source.ReadStored(t, start, bytes)))]);
        Assert.Equal(File.ReadAllBytes(source.Path), File.ReadAllBytes(folder["a.gguf"]));
    }

    [Fact]
    public void What_llama_cpp_would_refuse_is_not_planned()
    {
        Refused("longer than 63 bytes", (new string('a', 64), "F32", new(1)));
        Refused("twice", ("a", "F32", new(1)), ("a", "F32", new(1)));
        Refused("more than 4 dimensions", ("a", "F32", new(1, 1, 1, 1, 1)));
        Refused("whole number", ("a", "Q8_0", new(2, 33)));
        Assert.Contains("power of two", Assert.Throws<ArgumentException>(() => GgufHeader.Plan([new("general.alignment", GgufValue.Of(0u))], [])).Message, StringComparison.Ordinal);
        Assert.Equal(63, GgufHeader.Plan([], [(new string('a', 63), GgmlType.Q8_0, new(2, 32))]).Tensors[0].Name.Length);
    }

    private static void Refused(string says, params (string Name, string Type, TensorShape Shape)[] tensors)
    {
        var typed = tensors.Select(t => (t.Name, t.Type == "Q8_0" ? GgmlType.Q8_0 : GgmlType.Of(DType.F32)!, t.Shape));
        Assert.Contains(says, Assert.Throws<ArgumentException>(() => GgufHeader.Plan([], typed)).Message, StringComparison.Ordinal);
    }

    private static GgufTensorToWrite Tensor(string name, DType dtype, TensorShape shape, byte[] bytes) =>
        new(name, GgmlType.Of(dtype)!, shape, (start, destination) => bytes.AsSpan((int)start, destination.Length).CopyTo(destination));

    private static void Write(string path, IEnumerable<KeyValuePair<string, GgufValue>> values, IReadOnlyList<GgufTensorToWrite> tensors)
    {
        using AtomicOutput output = AtomicOutput.CreateSingle(path, new AtomicOutputOptions { Flush = false });
        new GgufWriter(values, tensors).WriteTo(output, Path.GetFileName(path), CancellationToken.None);
        output.Commit();
    }
}
