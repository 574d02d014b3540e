using LoraKit.Formats.Tensors;
using LoraKit.Ops.Inspect;
using LoraKit.Ops.Tests.Unmerge;
using LoraKit.Tests;
using static LoraKit.Tests.PickleBytes;

namespace LoraKit.Ops.Tests.Merge;

/// <summary>An adapter in a pickle does what the same adapter does in safetensors: to the last bit, and back.</summary>
public sealed class PickledAdapterTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_container_changes_nothing(bool legacy)
    {
        using TempFolder temp = new();
        (string @base, string adapter) = RestoreTests.Model(temp, DType.BF16);
        Merging.Run(Merging.Options(@base, adapter, temp["expected"]) with { Adapters = [new(adapter, -0.75)] });
        AdapterInspection before = AdapterInspection.Open(adapter, new InspectOptions());
        Pickle(adapter, legacy);
        Restoring.RoundTrip(temp, Merging.Options(@base, adapter, temp["out"]) with { Adapters = [new(adapter, -0.75)] });
        Dictionary<string, byte[]> expected = Merging.Bytes(temp["expected"]);
        Assert.Equal(expected, Merging.Bytes(temp["out"]));
        Assert.NotEqual(Merging.Bytes(@base), expected);

        AdapterInspection after = AdapterInspection.Open(adapter, new InspectOptions { Hashes = true });
        Assert.Equal("pickle", after.Container);
        Assert.Equal(before.Modules.Select(m => (m.Name, m.Rank, m.Scale)).Order(), after.Modules.Select(m => (m.Name, m.Rank, m.Scale)).Order());
        Assert.Null(after.Hashes!.SshsModelHash);
        Assert.Equal(64, after.Hashes.Sha256.Length);
    }

    // The factors of a LoRA are often saved as they lay in memory: here each A is the transpose of what is stored.
    private static void Pickle(string folder, bool legacy)
    {
        string safetensors = Path.Combine(folder, "adapter_model.safetensors");
        List<(string Name, byte[] Value)> items = [];
        List<(string Key, int ElementBytes, byte[] Bytes)> storages = [];
        foreach ((string name, (DType dtype, TensorShape shape, double[] values)) in SafetensorsBytes.Read(safetensors))
        {
            Assert.Equal((DType.F32, 2), (dtype, shape.Rank));
            bool turned = name.Contains("lora_A");
            (int rows, int columns) = ((int)shape[0], (int)shape[1]);
            byte[] bytes = new byte[values.Length * sizeof(float)];
            for (int i = 0; i < values.Length; i++)
            {
                int at = turned ? i / columns + i % columns * rows : i;
                BitConverter.GetBytes((float)values[i]).CopyTo(bytes, at * sizeof(float));
            }

            string key = $"{storages.Count}";
            items.Add((name, Tensor(Storage("FloatStorage", key, values.Length), 0, [rows, columns], turned ? [1, rows] : [columns, 1])));
            storages.Add((key, sizeof(float), bytes));
        }

        byte[] pickle = Of(Dict([.. items]));
        File.WriteAllBytes(
            Path.Combine(folder, "adapter_model.bin"),
            legacy ? TorchBytes.Legacy(pickle, [.. storages]) : TorchBytes.Zip(pickle, [.. storages.Select(s => (s.Key, s.Bytes))]));
        File.Delete(safetensors);
    }
}
