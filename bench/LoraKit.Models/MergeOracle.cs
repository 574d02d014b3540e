using System.Runtime.InteropServices;
using System.Text.Json;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Models;

/// <summary>
/// Recomputes a merge by its definition: every element as round(W + s·Σ B·A), summed in F64 and rounded to BF16 once. It shares the
/// reading of files with the library and none of the arithmetic.
/// </summary>
internal static class MergeOracle
{
    public static int Check(string baseFolder, string adapterFolder, string mergedFolder)
    {
        using JsonDocument config = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(adapterFolder, "adapter_config.json")));
        int rank = config.RootElement.GetProperty("r").GetInt32();
        double scale = config.RootElement.GetProperty("lora_alpha").GetDouble() / rank;
        using SafetensorsFile adapter = SafetensorsFile.Open(Path.Combine(adapterFolder, "adapter_model.safetensors"));
        long elements = 0, wrong = 0, changed = 0, untouchedWrong = 0;
        int worstUlp = 0;
        foreach (string path in Directory.GetFiles(baseFolder, "*.safetensors").Order(StringComparer.Ordinal))
        {
            using SafetensorsFile original = SafetensorsFile.Open(path);
            using SafetensorsFile merged = SafetensorsFile.Open(Path.Combine(mergedFolder, Path.GetFileName(path)));
            foreach (TensorInfo tensor in original.Tensors)
            {
                ushort[] before = Read(original, tensor);
                if (!merged.TryGetTensor(tensor.Name, out TensorInfo? after)) throw new InvalidDataException($"{tensor.Name} is gone");
                ushort[] result = Read(merged, after);
                string module = "base_model.model." + tensor.Name[..tensor.Name.LastIndexOf('.')];
                if (!adapter.TryGetTensor(module + ".lora_A.weight", out TensorInfo? down))
                {
                    if (!before.AsSpan().SequenceEqual(result)) untouchedWrong++;
                    continue;
                }

                adapter.TryGetTensor(module + ".lora_B.weight", out TensorInfo? up);
                float[] a = new StoredTensor(adapter, down).ToSingles();
                float[] b = new StoredTensor(adapter, up!).ToSingles();
                (int rows, int columns) = ((int)tensor.Shape[0], (int)tensor.Shape[1]);
                Lock gate = new();
                Parallel.For(0, rows, row =>
                {
                    double[] sums = new double[columns];
                    for (int k = 0; k < rank; k++)
                    {
                        double left = b[(row * rank) + k];
                        ReadOnlySpan<float> right = a.AsSpan(k * columns, columns);
                        for (int j = 0; j < columns; j++)
                        {
                            sums[j] += left * right[j];
                        }
                    }

                    long rowWrong = 0, rowChanged = 0;
                    int rowWorst = 0;
                    for (int j = 0; j < columns; j++)
                    {
                        int at = (row * columns) + j;
                        ushort expected = Round(BitConverter.UInt32BitsToSingle((uint)before[at] << 16) + (scale * sums[j]));
                        if (result[at] != before[at]) rowChanged++;
                        if (result[at] == expected) continue;
                        rowWrong++;
                        rowWorst = Math.Max(rowWorst, Math.Abs(Ordered(result[at]) - Ordered(expected)));
                    }

                    lock (gate)
                    {
                        wrong += rowWrong;
                        changed += rowChanged;
                        worstUlp = Math.Max(worstUlp, rowWorst);
                    }
                });
                elements += (long)rows * columns;
            }
        }

        Console.WriteLine(
            $"elements {elements}, changed {changed}, not the rounded F64 result {wrong} ({1e5 * wrong / elements:F3} in 100 000), " +
            $"worst {worstUlp} ULP, untouched tensors that differ {untouchedWrong}");
        return untouchedWrong == 0 && wrong * 100_000.0 <= 5.0 * elements ? 0 : 1;
    }

    /// <summary>BF16 nearest to a double, ties to even, by comparing distances: slow and obvious.</summary>
    private static ushort Round(double value)
    {
        ushort below = (ushort)(BitConverter.SingleToUInt32Bits((float)value) >> 16);
        double low = BitConverter.UInt32BitsToSingle((uint)below << 16);
        if (Math.Abs(low) > Math.Abs(value))
        {
            low = BitConverter.UInt32BitsToSingle((uint)--below << 16);
        }

        double high = BitConverter.UInt32BitsToSingle((uint)(below + 1) << 16);
        double toLow = Math.Abs(value - low), toHigh = Math.Abs(high - value);
        return toLow < toHigh || (toLow == toHigh && (below & 1) == 0) ? below : (ushort)(below + 1);
    }

    private static int Ordered(ushort bits) => (bits & 0x8000) != 0 ? 0x8000 - bits : bits;

    private static ushort[] Read(SafetensorsFile file, TensorInfo tensor)
    {
        ushort[] values = new ushort[tensor.Shape.ElementCount];
        Span<byte> bytes = MemoryMarshal.AsBytes(values.AsSpan());
        file.Read(tensor, 0, bytes);
        return values;
    }
}
