using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Models;

/// <summary>Writes a file of random tensors.</summary>
internal static class TensorFile
{
    private const int PieceElements = 1 << 20;

    public static void Write(string path, IEnumerable<(string Name, long[] Shape, double Deviation)> tensors, DType dtype)
    {
        Dictionary<string, double> deviations = tensors.ToDictionary(t => t.Name, t => t.Deviation);
        SafetensorsHeader header = SafetensorsHeader.Plan(
            tensors.Select(t => (t.Name, dtype, new TensorShape(t.Shape))), new Dictionary<string, string> { ["format"] = "pt" });
        using FileStream file = File.Create(path);
        file.Write(header.ToBytes());
        float[] values = new float[PieceElements];
        byte[] bytes = new byte[PieceElements * dtype.Bytes()];
        ulong seed = 1;
        foreach (TensorInfo tensor in header.Tensors)
        {
            Gaussian gaussian = new(deviations[tensor.Name], seed++);
            long left = tensor.Shape.ElementCount;
            while (left > 0)
            {
                int now = (int)Math.Min(left, PieceElements);
                gaussian.Fill(values.AsSpan(0, now));
                FloatConvert.FromSingles(dtype, values.AsSpan(0, now), bytes.AsSpan(0, now * dtype.Bytes()));
                file.Write(bytes, 0, now * dtype.Bytes());
                left -= now;
            }
        }
    }
}
