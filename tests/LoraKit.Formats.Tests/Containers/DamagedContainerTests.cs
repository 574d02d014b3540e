using LoraKit.Formats.Containers;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;
using static LoraKit.Tests.PickleBytes;

namespace LoraKit.Formats.Tests.Containers;

/// <summary>A file cut anywhere, and one with any byte changed, is read or refused by name, and takes no memory out of proportion.</summary>
public sealed class DamagedContainerTests
{
    // The values a reader may hold at once are bounded by the file; this is far above, and far below what a believed length would take.
    private const long MostAllocated = 100L << 20;

    public static TheoryData<string> Kinds => ["torch zip", "torch legacy", "npz stored", "npz deflated", "real bin", "real npz"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Cut_anywhere(string kind)
    {
        byte[] whole = Sample(kind);
        using TempFolder folder = new();
        int step = Math.Max(1, whole.Length / 1500);
        for (int length = 0; length < whole.Length; length += step)
        {
            Assert.False(TryRead(folder["cut"], whole[..length]), $"{kind} cut to {length} bytes was read");
        }

        Assert.True(TryRead(folder["cut"], whole));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Changed_anywhere(string kind)
    {
        byte[] whole = Sample(kind);
        Random random = new(4711);
        using TempFolder folder = new();
        int refused = 0;
        for (int i = 0; i < 1500; i++)
        {
            byte[] changed = [.. whole];
            // Structure is at the start and at the end; data in between may be anything.
            int at = (i % 3) switch { 0 => random.Next(Math.Min(600, whole.Length)), 1 => whole.Length - 1 - random.Next(Math.Min(600, whole.Length)), _ => random.Next(whole.Length) };
            changed[at] = i % 2 == 0 ? (byte)random.Next(256) : (byte)(changed[at] ^ 1 << random.Next(8));
            if (!TryRead(folder["changed"], changed)) refused++;
        }

        Assert.InRange(refused, 1, 1499);
    }

    // Reads all; false where it is refused. Whatever else is thrown fails the test.
    private static bool TryRead(string path, byte[] bytes)
    {
        File.WriteAllBytes(path, bytes);
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            using ITensorSource source = TensorFiles.Open(path);
            foreach (TensorInfo tensor in source.Tensors)
            {
                Assert.InRange(tensor.ByteLength, 0, 64 << 20);
                OpenedTensors.Bytes(source, tensor);
            }

            return true;
        }
        catch (LoraKitException)
        {
            return false;
        }
        finally
        {
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, MostAllocated);
        }
    }

    private static byte[] Sample(string kind)
    {
        byte[] values = new byte[240];
        new Random(1).NextBytes(values);
        byte[] pickle = Of(Dict(
            ("a", Tensor("FloatStorage", "0", 6, 10)), ("b", Tensor(Storage("FloatStorage", "0", 60), 0, [10, 6], [1, 10])), ("n", Int(3)), ("f", Float(0.5))));
        return kind switch
        {
            "torch zip" => TorchBytes.Zip(pickle, ("0", values)),
            "torch legacy" => TorchBytes.Legacy(pickle, ("0", 4, values)),
            "npz stored" => Npz(values, deflate: false),
            "npz deflated" => Npz(values, deflate: true),
            "real bin" => Real("peft", "huggingface__peft", "tests", "regression", "lora_mlp", "0.6.1", "adapter_model.bin"),
            _ => Real("onnx-lora", "microsoft__onnxruntime-genai", "test", "test_models", "tiny-random-llama-lora", "adapter_weights.npz"),
        };
    }

    private static byte[] Npz(byte[] values, bool deflate)
    {
        byte[] header = [0x93, .. "NUMPY"u8, 1, 0, 60, 0, .. "{'descr': '<f4', 'fortran_order': True, 'shape': (6, 10), }\n"u8];
        return new ZipBytes { new ZipPart("t.npy", [.. header, .. values]) { Deflate = deflate } }.ToArray();
    }

    private static byte[] Real(params string[] parts)
    {
        Assert.SkipWhen(Paths.RealData is null, "no files of other programs on this machine");
        return File.ReadAllBytes(Path.Combine([Paths.RealData!, .. parts]));
    }
}
