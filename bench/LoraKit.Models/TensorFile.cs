using System.Runtime.InteropServices;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Models;

/// <summary>Writes a file of random tensors.</summary>
internal static class TensorFile
{
    private const int PieceElements = 1 << 20;

    public static void Write(string path, IEnumerable<RandomTensor> tensors, DType dtype)
    {
        Dictionary<string, RandomTensor> named = tensors.ToDictionary(t => t.Name);
        SafetensorsHeader header = SafetensorsHeader.Plan(
            named.Values.Select(t => (t.Name, t.Integers is null ? dtype : DType.I32, new TensorShape(t.Shape))), new Dictionary<string, string> { ["format"] = "pt" });
        using FileStream file = File.Create(path);
        file.Write(header.ToBytes());
        float[] values = new float[PieceElements];
        byte[] bytes = new byte[PieceElements * dtype.Bytes()];
        ulong seed = 1;
        foreach (TensorInfo tensor in header.Tensors)
        {
            RandomTensor random = named[tensor.Name];
            if (random.Integers is { } integers)
            {
                file.Write(MemoryMarshal.AsBytes<int>(integers()));
                continue;
            }

            Gaussian gaussian = new(random.Deviation, seed++);
            long left = tensor.Shape.ElementCount;
            while (left > 0)
            {
                int now = (int)Math.Min(left, PieceElements);
                gaussian.Fill(values.AsSpan(0, now));
                for (int i = 0; random.Mean != 0 && i < now; i++) values[i] += (float)random.Mean;
                FloatConvert.FromSingles(dtype, values.AsSpan(0, now), bytes.AsSpan(0, now * dtype.Bytes()));
                file.Write(bytes, 0, now * dtype.Bytes());
                left -= now;
            }
        }
    }
}
