using LoraKit.Formats;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Merge;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Ops.Unmerge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Unmerge;

/// <summary>A record is small, belongs to one merge, and notices what is not as it was.</summary>
public class RecordTests
{
    /// <summary>Gaussian W and Δ in BF16; an ideal code takes 0.17, 0.76, 2.3 and 5.2 % of the bytes. Some 1.5 kB are the manifest.</summary>
    [Theory]
    [InlineData(0.002, 0.0035)]
    [InlineData(0.01, 0.0095)]
    [InlineData(0.05, 0.026)]
    [InlineData(0.2, 0.06)]
    public void IsNearlyAsSmallAsItCanBe(double ratio, double bound)
    {
        const int rows = 1024, columns = 1024, rank = 16;
        using TempFolder temp = new();
        Random random = new(11);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], new TestTensor("x.weight", DType.BF16, [rows, columns], Gaussian(random, rows * columns, 0.02)));
        PeftFolder adapter = new(temp["adapter"], rank, rank);
        adapter.Add("base_model.model.x.lora_A.weight", DType.F32, [rank, columns], Gaussian(random, rank * columns, 1));
        adapter.Add("base_model.model.x.lora_B.weight", DType.F32, [rows, rank], Gaussian(random, rows * rank, 0.02 * ratio / Math.Sqrt(rank)));
        MergeReport report = Merging.Run(Merging.Options(temp["base"], adapter.Save(), temp["out"]) with { UndoRecord = temp["undo.safetensors"] });
        Assert.Equal(2L * rows * columns, report.Undo!.ChangedBytes);
        Assert.InRange(report.Undo.Bytes, 1, bound * report.Undo.ChangedBytes);
        Restoring.Run(Restoring.Options(temp));
        Assert.Equal(File.ReadAllBytes(temp["base", "model.safetensors"]), File.ReadAllBytes(temp["restored", "model.safetensors"]));
    }

    [Fact]
    public void EveryFlippedBitIsNoticed()
    {
        using TempFolder temp = new();
        (string @base, string adapter) = RestoreTests.Model(temp, DType.BF16);
        Merging.Run(Merging.Options(@base, adapter, temp["out"]) with { UndoRecord = temp["undo.safetensors"], UndoBlockElements = 500 });
        byte[] before = File.ReadAllBytes(temp["base", "model-00001-of-00002.safetensors"]);
        Random random = new(5);
        byte[] record = File.ReadAllBytes(temp["undo.safetensors"]);
        int stopped = 0;
        for (int run = 0; run < 400; run++)
        {
            byte[] broken = (byte[])record.Clone();
            broken[random.Next(broken.Length)] ^= (byte)(1 << random.Next(8));
            File.WriteAllBytes(temp["undo.safetensors"], broken);
            try
            {
                Restoring.Run(Restoring.Options(temp));
                Assert.Equal(before, File.ReadAllBytes(temp["restored", "model-00001-of-00002.safetensors"])); // Spaces of the header, say.
                Directory.Delete(temp["restored"], true);
            }
            catch (LoraKitException)
            {
                stopped++;
            }

            Assert.False(Path.Exists(temp["restored"]));
        }

        Assert.True(stopped > 350, $"{stopped}");
        File.WriteAllBytes(temp["undo.safetensors"], record);
        string shard = temp["out", "model-00001-of-00002.safetensors"];
        using (SafetensorsFile file = SafetensorsFile.Open(shard))
        {
            TensorInfo changed = file.Tensors.Single(t => t.Name.Contains("layers.0.q"));
            record = File.ReadAllBytes(shard);
            record[changed.Offset + 1234] ^= 16;
        }

        File.WriteAllBytes(shard, record);
        InvalidFileException error = Assert.Throws<InvalidFileException>(() => Restoring.Run(Restoring.Options(temp)));
        Assert.Equal("model.layers.0.q.weight", error.Tensor);
        Assert.DoesNotContain(Directory.GetFileSystemEntries(temp.Path), p => p.Contains("restored"));
    }

    [Fact]
    public void CodesCutShortAreNoticed()
    {
        using TempFolder temp = new();
        (string @base, string adapter) = RestoreTests.Model(temp, DType.BF16);
        Merging.Run(Merging.Options(@base, adapter, temp["out"]) with { UndoRecord = temp["undo.safetensors"] });
        byte[] record = File.ReadAllBytes(temp["undo.safetensors"]);
        foreach (int length in new[] { 0, 7, 100, record.Length / 2, record.Length - 1 })
        {
            File.WriteAllBytes(temp["undo.safetensors"], record[..length]);
            Assert.ThrowsAny<LoraKitException>(() => Restoring.Run(Restoring.Options(temp)));
        }

        File.Copy(temp["adapter", "adapter_model.safetensors"], temp["undo.safetensors"], true);
        Assert.Contains("no undo record", Assert.Throws<InvalidFileException>(() => Restoring.Run(Restoring.Options(temp))).Message);
    }

    [Fact]
    public void AdaptersAreFoundByPathOrByHash()
    {
        using TempFolder temp = new();
        (string @base, string adapter) = RestoreTests.Model(temp, DType.BF16);
        Merging.Run(Merging.Options(@base, adapter, temp["out"]) with { UndoRecord = temp["undo.safetensors"], Adapters = [new(adapter, 0.5)] });
        Directory.Move(adapter, temp["moved"]);
        Assert.Contains("--adapter", Assert.Throws<InputNotFoundException>(() => Restoring.Run(Restoring.Options(temp))).Message);
        UnmergeOptions named = Restoring.Options(temp) with { Adapters = [new(temp["moved"])] };
        Restoring.Run(named);
        Assert.Equal(Merging.Bytes(@base), Merging.Bytes(temp["restored"]));
        byte[] tensors = File.ReadAllBytes(temp["moved", "adapter_model.safetensors"]);
        tensors[^1] ^= 1;
        File.WriteAllBytes(temp["moved", "adapter_model.safetensors"], tensors);
        Assert.Contains("hashes", Assert.Throws<InvalidAdapterException>(() => Restoring.Run(named with { Output = temp["no"] })).Message);
        Directory.Move(temp["moved"], adapter);
        Assert.Contains("hashes", Assert.Throws<InvalidAdapterException>(() => Restoring.Run(Restoring.Options(temp, "no"))).Message);
        Assert.False(Path.Exists(temp["no"]));
    }

    [Fact]
    public void ChangedFilesBesideTheTensorsAreNoticed()
    {
        using TempFolder temp = new();
        (string @base, string adapter) = RestoreTests.Model(temp, DType.BF16);
        Merging.Run(Merging.Options(@base, adapter, temp["out"]) with { UndoRecord = temp["undo.safetensors"] });
        File.AppendAllText(temp["out", "tokenizer.json"], " ");
        Assert.Contains("tokenizer.json", Assert.Throws<InvalidFileException>(() => Restoring.Run(Restoring.Options(temp))).Message);
    }

    [Theory]
    [InlineData("out")]
    [InlineData("out/undo")]
    [InlineData("base/undo")]
    [InlineData("adapter/adapter_model.safetensors")]
    public void HasAPlaceOfItsOwn(string place)
    {
        using TempFolder temp = new();
        (string @base, string adapter) = RestoreTests.Model(temp, DType.BF16);
        MergeOptions options = Merging.Options(@base, adapter, temp["out"]) with { UndoRecord = temp[place.Split('/')], Overwrite = true };
        Assert.Throws<OutputException>(() => MergePlan.Create(options));
        Assert.False(Path.Exists(temp["out"]));
    }

    [Fact]
    public void RecordAndModelAppearTogetherOrNotAtAll()
    {
        using TempFolder temp = new();
        (string @base, string adapter) = RestoreTests.Model(temp, DType.BF16);
        MergeOptions options = Merging.Options(@base, adapter, temp["out"]) with { UndoRecord = temp["undo.safetensors"], TileBytes = 100, UndoBlockElements = 16 };
        string[] before = Directory.GetFileSystemEntries(temp.Path);
        foreach (int after in new[] { 1, 5, 12 })
        {
            using CancellationTokenSource stop = new();
            int tiles = 0;
            using MergePlan plan = MergePlan.Create(options);
            Assert.ThrowsAny<OperationCanceledException>(() => plan.Run(
                new SimdCompute(), new Told(_ => { if (Interlocked.Increment(ref tiles) >= after) stop.Cancel(); }), stop.Token));
            Assert.Equal(before, Directory.GetFileSystemEntries(temp.Path));
        }

        // The model's place is taken at the last moment: the record goes again.
        using (MergePlan plan = MergePlan.Create(options))
        {
            Assert.Throws<OutputException>(() => plan.Run(new SimdCompute(), new Told(_ => Directory.CreateDirectory(temp["out"]))));
        }

        Assert.False(Path.Exists(temp["undo.safetensors"]));
        Directory.Delete(temp["out"]);
        Assert.Equal(before, Directory.GetFileSystemEntries(temp.Path));
    }

    private static double[] Gaussian(Random random, int count, double deviation)
    {
        double[] values = new double[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = deviation * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
        }

        return values;
    }

    private sealed class Told(Action<OpProgress> told) : IProgress<OpProgress>
    {
        public void Report(OpProgress value) => told(value);
    }
}
