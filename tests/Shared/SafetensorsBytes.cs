using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Tests;

/// <summary>A tensor to be written by a test.</summary>
internal sealed record TestTensor(string Name, DType DType, long[] Shape, double[] Values)
{
    /// <summary>The bytes of a type that holds no real numbers; null where <see cref="Values"/> are the values.</summary>
    public byte[]? Raw { get; init; }

    public byte[] Bytes()
    {
        if (Raw is not null) return Raw;
        byte[] bytes = new byte[Values.Length * DType.Bytes()];
        FloatConvert.FromDoubles(DType, Values, bytes);
        return bytes;
    }
}

/// <summary>Small safetensors files for tests.</summary>
internal static class SafetensorsBytes
{
    public static void Write(string path, params IReadOnlyList<TestTensor> tensors) =>
        WriteWith(path, new Dictionary<string, string> { ["format"] = "pt" }, tensors);

    /// <summary>F32 tensors by name.</summary>
    public static void WriteSingles(
        string path, IReadOnlyDictionary<string, (long[] Shape, float[] Values)> tensors, IReadOnlyDictionary<string, string>? metadata = null) =>
        WriteWith(path, metadata, [.. tensors.Select(t => new TestTensor(t.Key, DType.F32, t.Value.Shape, [.. t.Value.Values.Select(v => (double)v)]))]);

    public static void WriteWith(string path, IReadOnlyDictionary<string, string>? metadata, IReadOnlyList<TestTensor> tensors)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        SafetensorsHeader header = SafetensorsHeader.Plan(tensors.Select(t => (t.Name, t.DType, new TensorShape(t.Shape))), metadata);
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
