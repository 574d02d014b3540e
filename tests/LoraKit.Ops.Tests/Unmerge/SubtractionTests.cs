using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Ops.Unmerge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Unmerge;

/// <summary>Without a record: subtracting, and saying of how many elements the merged value does not tell the base's.</summary>
public class SubtractionTests
{
    [Theory]
    [InlineData(DType.BF16)]
    [InlineData(DType.F16)]
    [InlineData(DType.F32)]
    [InlineData(DType.F64)]
    public void CountsWhatMayDiffer(DType type)
    {
        using TempFolder temp = new();
        (string @base, string adapter) = RestoreTests.Model(temp, type);
        Merging.Run(Merging.Options(@base, adapter, temp["out"]) with { Adapters = [new(adapter, -0.7)] });
        UnmergeReport report = Restoring.Run(Restoring.Options(temp) with { UndoRecord = null, Adapters = [new(adapter, -0.7)], TileBytes = 300 });
        Assert.Equal((UnmergeMethod.Adapter, 4, 2), (report.Method, report.TensorsTotal, report.TensorsRestored));
        long elements = (37 * 53) + (9 * 16), wrong = 0;
        foreach (string file in new[] { "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors" })
        {
            var original = SafetensorsBytes.Read(temp["base", file]);
            var restored = SafetensorsBytes.Read(temp["restored", file]);
            Assert.Equal(original.Keys, restored.Keys);
            foreach ((string name, var tensor) in original)
            {
                wrong += tensor.Values.Zip(restored[name].Values).Count(p => BitConverter.DoubleToInt64Bits(p.First) != BitConverter.DoubleToInt64Bits(p.Second));
            }
        }

        Assert.InRange(wrong, 1, report.MayDiffer);
        Assert.InRange(report.MayDiffer, 1, elements - 1);
        // The merged model that comes of the result is the one that was: what may differ does not show.
        Merging.Run(Merging.Options(temp["restored"], adapter, temp["again"]) with { Adapters = [new(adapter, -0.7)] });
        foreach (string name in Directory.GetFiles(temp["out"]).Select(f => Path.GetFileName(f)).Where(n => !n.EndsWith(".safetensors")))
        {
            Assert.Equal(File.ReadAllBytes(temp["out", name]), File.ReadAllBytes(temp["again", name]));
        }
    }

    /// <summary>Exact arithmetic on every element: may another BF16 value merge to the same one?</summary>
    [Fact]
    public void TheCountIsRight()
    {
        using TempFolder temp = new();
        Random random = new(8);
        const int rows = 9, columns = 40;
        // Powers of two and few bits: sums are exact in F32, and rounding is the only loss.
        double[] w = [.. Enumerable.Range(0, rows * columns).Select(_ => Math.ScaleB(random.Next(128, 256), random.Next(-12, -6)) * (random.Next(2) == 0 ? 1 : -1))];
        double[] a = [.. Enumerable.Range(0, columns).Select(_ => Math.ScaleB(random.Next(1, 16), -6))], b = [.. Enumerable.Range(0, rows).Select(_ => (double)random.Next(-3, 4))];
        SafetensorsBytes.Write(temp["base", "model.safetensors"], new TestTensor("x.weight", DType.BF16, [rows, columns], w));
        PeftFolder adapter = new(temp["adapter"], 1, 1);
        adapter.Add("base_model.model.x.lora_A.weight", DType.F32, [1, columns], a);
        adapter.Add("base_model.model.x.lora_B.weight", DType.F32, [rows, 1], b);
        adapter.Save();
        Merging.Run(Merging.Options(temp["base"], adapter.Path, temp["out"]));
        double[] merged = SafetensorsBytes.Read(temp["out", "model.safetensors"])["x.weight"].Values;
        Oracle.Format format = Oracle.Format.BF16;
        ulong[] patterns = [.. Enumerable.Range(0, 1 << 16).Select(p => (ulong)p).Where(p => double.IsFinite(Oracle.Decode(format, p)))];
        long ambiguous = 0;
        for (int i = 0; i < w.Length; i++)
        {
            double delta = b[i / columns] * a[i % columns];
            ulong wanted = Oracle.Encode(format, merged[i])!.Value;
            // By all patterns near enough, not by neighbours of anything.
            int sources = patterns.Count(p => Math.Abs(Oracle.Decode(format, p) - (merged[i] - delta)) <= Math.Abs(merged[i]) / 32 + 1e-30
                && Oracle.Encode(format, Oracle.Decode(format, p) + delta) == wanted);
            Assert.True(sources >= 1);
            double guess = Merging.Rounded(merged[i] - delta, DType.BF16);
            bool leadsBack = Oracle.Encode(format, guess + delta) == wanted;
            if (sources > 1 || !leadsBack) ambiguous++;
        }

        UnmergeReport report = Restoring.Run(Restoring.Options(temp) with { UndoRecord = null, Adapters = [new(adapter.Path)] });
        Assert.Equal(ambiguous, report.MayDiffer);
    }

    [Fact]
    public void WhatCannotBeSubtractedIsRefused()
    {
        using TempFolder temp = new();
        Random random = new(8);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], Merging.Random("x.weight", DType.BF16, random, 4, 4), Merging.Random("lm_head.weight", DType.BF16, random, 4, 4));
        PeftFolder adapter = new(temp["adapter"], 1, 1);
        adapter.Linear("x", 4, 4, random);
        adapter.Add("base_model.model.lm_head.weight", DType.F32, [4, 4], PeftFolder.Values(random, 16, DType.F32));
        adapter.Save();
        Merging.Run(Merging.Options(temp["base"], adapter.Path, temp["out"]));
        UnmergeOptions options = Restoring.Options(temp) with { UndoRecord = null, Adapters = [new(adapter.Path)] };
        Assert.Contains("--undo", Assert.Throws<UnsupportedException>(() => Restoring.Run(options)).Message);
        Assert.Throws<InvalidOptionException>(() => Restoring.Run(options with { Adapters = [] }));
        Assert.Throws<InvalidOptionException>(() => Restoring.Run(options with { Base = temp["base"], UndoRecord = temp["x"] }));
        Assert.Throws<InvalidOptionException>(() => Restoring.Run(options with { Adapters = [new(adapter.Path, double.NaN)] }));
        PeftFolder other = new(temp["other"], 1, 1);
        other.Linear("y", 4, 4, random);
        Assert.Throws<TargetMismatchException>(() => Restoring.Run(options with { Adapters = [new(other.Save())] }));
        Assert.False(Path.Exists(temp["restored"]));
    }
}
