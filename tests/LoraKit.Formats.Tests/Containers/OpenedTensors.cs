using LoraKit.Formats.Containers;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Containers;

/// <summary>Opens bytes as a file and reads all of it.</summary>
internal static class OpenedTensors
{
    public static T Of<T>(byte[] bytes, Func<ITensorSource, T> use)
    {
        using TempFolder folder = new();
        string path = folder["weights.bin"];
        File.WriteAllBytes(path, bytes);
        using ITensorSource source = TensorFiles.Open(path);
        return use(source);
    }

    public static Dictionary<string, byte[]> Values(byte[] bytes) => Of(bytes, Values);

    public static Dictionary<string, byte[]> Values(ITensorSource source) => source.Tensors.ToDictionary(t => t.Name, t => Bytes(source, t));

    public static byte[] Bytes(ITensorSource source, TensorInfo tensor)
    {
        byte[] bytes = new byte[tensor.ByteLength];
        source.Read(tensor, 0, bytes);
        return bytes;
    }

    public static string Refusal<T>(byte[] bytes) where T : LoraKitException
    {
        T error = Assert.Throws<T>(() => Values(bytes));
        Assert.Contains("weights.bin: ", error.Message);
        Assert.DoesNotContain('\n', error.Message);
        return error.Message;
    }
}
