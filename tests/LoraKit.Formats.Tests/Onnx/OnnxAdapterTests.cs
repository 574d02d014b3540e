using LoraKit.Formats.Adapters;
using LoraKit.Formats.Containers;
using LoraKit.Formats.Tensors;
using LoraKit.Formats.Tests.Layouts;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Onnx;

public sealed class OnnxAdapterTests
{
    private const string Module = "model.layers.0.attn.q_proj";

    [Theory]
    [InlineData("TORT")]
    [InlineData("GAIL")]
    public void Tensors_have_their_names_types_sizes_and_values(string identifier)
    {
        using TempFolder folder = new();
        byte[] half = new TestTensor("", DType.F16, [2], [0.5, -2]).Bytes();
        File.WriteAllBytes(folder["a.fb"], FlatBufferBytes.Adapter(identifier, 1, ("a", 1, [2, 3], FlatBufferBytes.Singles(1, 2, 3, 4, 5, 6)), ("b", 10, [2], half), ("c", 16, [0, 3], []), ("d", 1, [], FlatBufferBytes.Singles(7))));
        using ITensorSource file = TensorFiles.Open(folder["a.fb"]);
        Assert.Equal("onnx_adapter", file.Container);
        Assert.Equal(["a F32 [2, 3]", "b F16 [2]", "c BF16 [0, 3]", "d F32 []"], file.Tensors.Select(tensor => $"{tensor.Name} {tensor.DType} {tensor.Shape}"));
        Assert.Equal([1, 2, 3, 4, 5, 6], new StoredTensor(file, file.Tensors[0]).ToDoubles());
        Assert.Equal([0.5, -2], new StoredTensor(file, file.Tensors[1]).ToDoubles());
        Assert.Equal([7], new StoredTensor(file, file.Tensors[3]).ToDoubles());
    }

    [Fact]
    public void Wrong_sizes_types_versions_and_names_are_named()
    {
        byte[] six = FlatBufferBytes.Singles(1, 2, 3, 4, 5, 6);
        Fails<InvalidFileException>("takes 20 bytes; the file has 24", 1, ("a", 1, [5], six));
        Fails<InvalidFileException>("ends 4 bytes behind its storage", 1, ("a", 1, [7], six));
        Fails<InvalidFileException>("negative size", 1, ("a", 1, [-6], six));
        Fails<InvalidFileException>("pass 64 bits", 1, ("a", 1, [long.MaxValue, long.MaxValue], six));
        Fails<InvalidFileException>("65 dimensions", 1, ("a", 1, [.. Enumerable.Repeat(1L, 65)], six));
        Fails<InvalidFileException>("stands twice", 1, ("a", 1, [6], six), ("a", 1, [6], six));
        Fails<InvalidFileException>("a name of 5000 bytes", 1, (new string('x', 5000), 1, [6], six));
        Fails<UnsupportedException>("element type 14", 1, ("a", 14, [6], six));
        Fails<UnsupportedException>("format version 2", 2, ("a", 1, [6], six));
    }

    /// <summary>Whatever is cut off or changed, it opens or says why not, and no read leaves the file.</summary>
    [Fact]
    public void Damage_is_an_error_and_never_a_crash()
    {
        using TempFolder folder = new();
        byte[] whole = FlatBufferBytes.Adapter("TORT", 1, ("a.lora_A.weight", 1, [3, 2], FlatBufferBytes.Singles(1, 2, 3, 4, 5, 6)), ("a.lora_B.weight", 1, [2, 2], FlatBufferBytes.Singles(1, 2, 3, 4)));
        int refused = 0;
        for (int length = 8; length < whole.Length; length++)
        {
            refused += Opens(folder["cut.fb"], whole[..length]) ? 0 : 1;
        }

        Assert.Equal(whole.Length - 8, refused); // Nothing but data lies at the end.
        Random random = new(5);
        for (int i = 0; i < 2000; i++)
        {
            byte[] changed = [.. whole];
            int at = random.Next(8, whole.Length);
            changed[at] = (byte)random.Next(256);
            if (random.Next(2) == 0) changed[Math.Min(whole.Length - 1, at + 3)] = (byte)random.Next(256);
            Opens(folder["changed.fb"], changed);
        }
    }

    [Fact]
    public void A_linear_layer_is_the_transpose_of_A_times_B_its_scale_in_B()
    {
        foreach (string container in (string[])["npz", "onnx_adapter"])
        {
            FactorSample sample = new FactorSample { Container = container }.Tensor(Module + ".lora_A.weight", DType.F16, 53, 5).Tensor(Module + ".lora_B.weight", DType.F16, 5, 37);
            using Adapter adapter = sample.Read();
            Assert.Equal("onnx", adapter.Layout);
            Assert.Equal(sample.Product(Module + ".lora_B.weight", Module + ".lora_A.weight", turned: true, 1), FactorSample.Update(adapter, Module));
        }
    }

    [Fact]
    public void Halves_strangers_and_what_does_not_chain_are_errors()
    {
        FactorSample half = new FactorSample { Container = "npz" }.Tensor("x.lora_A.weight", DType.F32, 5, 3);
        half.Fails<InvalidAdapterException>("without its B");
        half.Tensor("x.lora_B.weight", DType.F32, 4, 7).Fails<InvalidAdapterException>("do not chain");
        new FactorSample { Container = "npz" }.Tensor("x.lora_A.weight", DType.F32, 5, 3).Tensor("x.lora_B.weight", DType.F32, 3, 7).Tensor("y", DType.F32, 2)
            .Fails<InvalidAdapterException>("'y'");
    }

    private static bool Opens(string path, byte[] bytes)
    {
        File.WriteAllBytes(path, bytes);
        try
        {
            using ITensorSource file = TensorFiles.Open(path);
            foreach (TensorInfo tensor in file.Tensors) file.Read(tensor, 0, new byte[tensor.ByteLength]);
            return true;
        }
        catch (LoraKitException)
        {
            return false;
        }
    }

    private static void Fails<T>(string expected, int version, params (string Name, int Type, long[] Dims, byte[] Data)[] tensors)
        where T : LoraKitException
    {
        using TempFolder folder = new();
        File.WriteAllBytes(folder["a.fb"], FlatBufferBytes.Adapter("TORT", version, tensors));
        T error = Assert.Throws<T>(() => TensorFiles.Open(folder["a.fb"]));
        Assert.DoesNotContain('\n', error.Message);
        Assert.Contains(expected, error.Message);
    }
}
