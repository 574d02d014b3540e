using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Tests;

/// <summary>A tensor to be written by a test.</summary>
internal sealed record TestTensor(string Name, DType DType, long[] Shape, double[] Values)
{
    public byte[] Bytes()
    {
        byte[] bytes = new byte[Values.Length * DType.Bytes()];
        FloatConvert.FromDoubles(DType, Values, bytes);
        return bytes;
    }
}

/// <summary>Small safetensors files for tests.</summary>
internal static class SafetensorsBytes
{
    public static void Write(string path, params IReadOnlyList<TestTensor> tensors)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        SafetensorsHeader header = SafetensorsHeader.Plan(
            tensors.Select(t => (t.Name, t.DType, new TensorShape(t.Shape))), new Dictionary<string, string> { ["format"] = "pt" });
        using FileStream file = File.Create(path);
        file.Write(header.ToBytes());
        foreach (TensorInfo tensor in header.Tensors)
        {
            file.Write(tensors.Single(t => t.Name == tensor.Name).Bytes());
        }
    }

    /// <summary>Every tensor of a file as doubles.</summary>
    public static Dictionary<string, (DType DType, TensorShape Shape, double[] Values)> Read(string path)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        return file.Tensors.ToDictionary(t => t.Name, t => (t.DType, t.Shape, new StoredTensor(file, t).ToDoubles()));
    }
}
