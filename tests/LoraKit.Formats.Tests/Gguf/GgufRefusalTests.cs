using LoraKit.Formats.Containers;
using LoraKit.Formats.Tensors;
using LoraKit.Formats.Tests.Containers;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Gguf;

/// <summary>What is refused, by name, and a file changed anywhere: read or refused, and no memory out of proportion.</summary>
public sealed class GgufRefusalTests
{
    private const long MostAllocated = 16L << 20;

    public static TheoryData<string> Cases => [.. All.Keys];

    private static Dictionary<string, (GgufBytes File, string Says)> All { get; } = new()
    {
        ["version 1"] = (new() { Version = 1 }, "version 1"),
        ["version 4"] = (new() { Version = 4 }, "version 4"),
        ["big-endian"] = (new() { Version = 3u << 24 }, "big-endian"),
        ["too many tensors"] = (new() { TensorCount = 1L << 60 }, "number of tensors"),
        ["negative tensors"] = (new() { TensorCount = -1 }, "number of tensors"),
        ["too many keys"] = (new() { KeyCount = 1L << 60 }, "number of keys"),
        ["a key missing"] = (new GgufBytes { KeyCount = 2 }.Key("a", "b"), "without a name at byte"),
        ["a key twice"] = (new GgufBytes().Key("a", "b").Key("a", "c"), "'a' stands twice"),
        ["an unknown value"] = (new GgufBytes().Key("a", 13, new byte[8]), "type 13"),
        ["arrays of arrays"] = (new GgufBytes().Array("a", 9, 1, new byte[24]), "array of arrays"),
        ["a long array"] = (new GgufBytes().Array("a", 4, 1L << 61, new byte[24]), "count of the value of 'a'"),
        ["a long text"] = (new GgufBytes().Key("a", 8, BitConverter.GetBytes(1L << 62)), "length of the value of 'a'"),
        ["a bool of 2"] = (new GgufBytes().Key("a", 7, [2]), "bool"),
        ["a key of no text"] = (new GgufBytes().Key("a", 8, [.. GgufBytes.Text("x"), 1, 0, 0, 0, 0, 0, 0, 0, 0xFF]).Key("b", 1u), "UTF-8"),
        ["alignment 0"] = (new GgufBytes().Key("general.alignment", 0u), "general.alignment"),
        ["alignment 24"] = (new GgufBytes().Key("general.alignment", 24u), "power of two"),
        ["alignment of a text"] = (new GgufBytes().Key("general.alignment", "32"), "power of two"),
        ["an unknown type"] = (new GgufBytes().Tensor("a", [1], 99, new byte[4]), "type 99"),
        ["five dimensions"] = (new GgufBytes().Tensor("a", [1, 1, 1, 1, 1], 0, new byte[4]), "5 dimensions"),
        ["a negative size"] = (new GgufBytes().Tensor("a", [-1], 0, new byte[4]), "63 bits"),
        ["sizes beyond 64 bits"] = (new GgufBytes().Tensor("a", [1L << 32, 1L << 32], 0, new byte[4]), "64 bits"),
        ["a broken block"] = (new GgufBytes().Tensor("a", [33], 8, new byte[34]), "blocks of 32"),
        ["beyond the file"] = (new GgufBytes().Tensor("a", [1000], 0, new byte[4]), "4000 bytes"),
        ["unaligned"] = (new GgufBytes().Tensor("a", [1], 0, new byte[64], offset: 4), "multiple of 32"),
        ["a far offset"] = (new GgufBytes().Tensor("a", [1], 0, new byte[64], offset: long.MaxValue - 31), "64 bits"),
        ["an overlap"] = (new GgufBytes().Tensor("a", [16], 0, new byte[64]).Tensor("b", [8], 0, new byte[64], offset: 32), "within tensor 'a'"),
        ["a tensor twice"] = (new GgufBytes().Tensor("a", [1], 0, new byte[4]).Tensor("a", [1], 0, new byte[4]), "twice"),
        ["a long name"] = (new GgufBytes().Tensor(new string('a', 65), [1], 0, new byte[4]), "at most 64"),
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Is_refused(string what)
    {
        using TempFolder folder = new();
        File.WriteAllBytes(folder["a.gguf"], All[what].File.ToArray());
        LoraKitException refusal = Assert.ThrowsAny<LoraKitException>(() => TensorFiles.Open(folder["a.gguf"]));
        Assert.Contains(All[what].Says, refusal.Message, StringComparison.Ordinal);
        Assert.Equal(folder["a.gguf"], refusal.File);
    }

    [Fact]
    public void Cut_anywhere_before_its_data_ends_it_is_refused()
    {
        byte[] whole = Sample();
        using TempFolder folder = new();
        for (int length = 0; length < whole.Length - 16; length++)
        {
            Assert.False(TryRead(folder["cut"], whole[..length]), $"cut to {length} bytes it was read");
        }

        Assert.True(TryRead(folder["cut"], whole));
    }

    [Fact]
    public void Changed_anywhere()
    {
        byte[] whole = Sample();
        Random random = new(42);
        using TempFolder folder = new();
        int refused = 0;
        for (int i = 0; i < 6000; i++)
        {
            byte[] changed = [.. whole];
            for (int n = 0; n <= i % 3; n++)
            {
                int at = random.Next(whole.Length);
                changed[at] = i % 2 == 0 ? (byte)random.Next(256) : (byte)(changed[at] ^ 1 << random.Next(8));
            }

            if (!TryRead(folder["changed"], changed)) refused++;
        }

        Assert.InRange(refused, 1000, 5999);
    }

    private static byte[] Sample() => new GgufBytes().Key("general.architecture", "llama").Key("general.alignment", 32u).Key("a", 0.5f)
        .Array("t", 8, 3, [.. GgufBytes.Text("a"), .. GgufBytes.Text(""), .. GgufBytes.Text("bc")])
        .Tensor("x.lora_a", [4, 2], 1, 2, 3, 4, 5, 6, 7, 8).Tensor("y", [32, 2], 8, new byte[68]).Tensor("z", [256], 12, new byte[144]).ToArray();

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
}
