using LoraKit.Formats.Files;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Safetensors;

public sealed class SafetensorsWriterTests
{
    private static readonly Dictionary<string, string> Format = new() { ["format"] = "pt" };

    [Fact]
    public void A_file_of_three_tensors_has_exactly_these_bytes()
    {
        SafetensorsWriter writer = new(
            [
                Of("z", DType.U8, new(3), [1, 2, 3]),
                TensorToWrite.Of(new MemoryTensor("m", new(1, 2), [1f, -2f])),
                Of("e", DType.F32, new(0, 7), []),
            ],
            Format);
        using MemoryStream stream = new();
        writer.WriteTo(stream);
        byte[] json =
        [
            .. """{"__metadata__":{"format":"pt"},"e":{"dtype":"F32","shape":[0,7],"data_offsets":[0,0]},"""u8,
            .. "\"m\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},"u8,
            .. "\"z\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[8,11]}}"u8,
        ];
        int padded = (json.Length + 7) / 8 * 8;
        Assert.Equal(
            [(byte)padded, 0, 0, 0, 0, 0, 0, 0, .. json, .. new string(' ', padded - json.Length).Select(space => (byte)space),
                0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0, 1, 2, 3],
            stream.ToArray());
        Assert.Equal(writer.Header.FileLength, stream.Length);
    }

    [Fact]
    public void Large_tensors_are_asked_for_in_pieces_in_ascending_order()
    {
        const int Length = 5_000_001;
        List<(long Start, int Length)> asked = [];
        SafetensorsWriter writer = new(
            [new("big", DType.U8, new(Length), (start, destination) =>
            {
                asked.Add((start, destination.Length));
                for (int i = 0; i < destination.Length; i++)
                {
                    destination[i] = (byte)((start + i) % 251);
                }
            })],
            null);
        using MemoryStream stream = new();
        writer.WriteTo(stream);
        long next = 0;
        foreach ((long start, int length) in asked)
        {
            Assert.Equal(next, start);
            Assert.InRange(length, 1, 1 << 20);
            next += length;
        }

        Assert.Equal(Length, next);
        Assert.All(stream.ToArray().Skip((int)writer.Header.DataOffset).Index(), pair => Assert.Equal((byte)(pair.Index % 251), pair.Item));
    }

    [Fact]
    public void The_order_of_the_tensors_does_not_matter()
    {
        TensorToWrite[] tensors = [.. Enumerable.Range(0, 30).Select(i => Of($"t{i}", (DType)(i % 22), new(4), new byte[4 * ((DType)(i % 22)).Bits() / 8]))];
        Assert.Equal(Written(tensors), Written([.. tensors.Reverse()]));
    }

    [Fact]
    public void What_is_written_to_an_output_opens_with_the_same_tensors()
    {
        using TempFolder folder = new();
        SafetensorsWriter writer = new([Of("a", DType.BF16, new(2, 2), [1, 2, 3, 4, 5, 6, 7, 8]), Of("b", DType.U8, new(1), [9])], Format);
        using (AtomicOutput output = AtomicOutput.CreateSingle(folder["out.safetensors"], new AtomicOutputOptions { Flush = false }))
        {
            writer.WriteTo(output, "out.safetensors");
            output.Commit();
        }

        using MemoryStream stream = new();
        writer.WriteTo(stream);
        Assert.Equal(stream.ToArray(), File.ReadAllBytes(folder["out.safetensors"]));
        using SafetensorsFile file = SafetensorsFile.Open(folder["out.safetensors"]);
        Assert.Equal(writer.Header.Tensors, file.Tensors);
        Assert.Equal(Format, file.Metadata);
    }

    [Fact]
    public void A_stored_tensor_is_copied_under_a_new_name()
    {
        using TempFolder folder = new();
        File.WriteAllBytes(folder["in.safetensors"], Written([Of("old", DType.F8E4M3, new(3), [7, 8, 9])]));
        using SafetensorsFile source = SafetensorsFile.Open(folder["in.safetensors"]);
        byte[] copied = Written([TensorToWrite.Of(new StoredTensor(source, source.Tensors[0]), "new")]);
        Assert.Equal(Written([Of("new", DType.F8E4M3, new(3), [7, 8, 9])]), copied);
    }

    [Fact]
    public void A_cancelled_write_stops()
    {
        using CancellationTokenSource cancel = new();
        SafetensorsWriter writer = new([new("a", DType.U8, new(3 << 20), (_, _) => cancel.Cancel())], null);
        using MemoryStream stream = new();
        Assert.Throws<OperationCanceledException>(() => writer.WriteTo(stream, cancel.Token));
        Assert.True(stream.Length < writer.Header.FileLength);
    }

    // Made by the reference's writer, with one metadata key at most: its order of several is random.
    [Theory]
    [InlineData("base/ollama__ollama/convert/testdata/minicpm3-4b/model.safetensors")]
    [InlineData("base/pytorch__torchtune/gemma_hf_checkpoint.safetensors")]
    [InlineData("diffusion/huggingface__diffusers/examples/text_to_image/sd-pokemon-model-lora/pytorch_lora_weights.safetensors")]
    [InlineData("peft/huggingface__peft/examples/monteclora_finetuning/monteclora-roberta-mrpc/checkpoint-230/adapter_model.safetensors")]
    [InlineData("peft/hyper07__Skin-Lesion-Generation-Diffusion/lora_weights/adapter_model.safetensors")]
    [InlineData("peft/johntnanney__gradience/examples/adapters/tiny_lora/adapter_model.safetensors")]
    [InlineData("st-corpus/foundation-model-stack__fastsafetensors/examples/a.safetensors")]
    [InlineData("st-corpus/ostris__ai-toolkit/toolkit/keymaps/stable_diffusion_sd1_ldm_base.safetensors")]
    [InlineData("st-corpus/ostris__ai-toolkit/toolkit/keymaps/stable_diffusion_ssd_ldm_base.safetensors")]
    public void A_file_of_the_reference_is_written_again_byte_for_byte(string path)
    {
        Assert.SkipWhen(Paths.RealData is null, "no files of other programs on this machine");
        path = Path.Combine(Paths.RealData!, path);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        SafetensorsWriter writer = new(
            file.Tensors.Select(tensor => TensorToWrite.Of(new StoredTensor(file, tensor))), file.Metadata.Count > 0 ? file.Metadata : null);
        using MemoryStream stream = new();
        writer.WriteTo(stream);
        Assert.True(File.ReadAllBytes(path).AsSpan().SequenceEqual(stream.ToArray()));
    }

    private static byte[] Written(TensorToWrite[] tensors)
    {
        using MemoryStream stream = new();
        new SafetensorsWriter(tensors, null).WriteTo(stream);
        return stream.ToArray();
    }

    private static TensorToWrite Of(string name, DType dtype, TensorShape shape, byte[] bytes) =>
        new(name, dtype, shape, (start, destination) => bytes.AsSpan((int)start, destination.Length).CopyTo(destination));
}
