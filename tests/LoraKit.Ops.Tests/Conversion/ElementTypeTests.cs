using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Conversion;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Conversion;

/// <summary>An element type that is named is that of every factor, rounded to once; what that costs is counted.</summary>
public class ElementTypeTests
{
    [Theory]
    [InlineData("kohya", FactorType.F16, DType.F32)]
    [InlineData("kohya", FactorType.BF16, DType.F32)]
    [InlineData("kohya", FactorType.F32, DType.BF16)]
    [InlineData("diffusers", FactorType.F16, DType.F64)]
    [InlineData("diffusers", FactorType.BF16, DType.F16)]
    [InlineData("diffusers", FactorType.F32, DType.F64)]
    [InlineData("peft", FactorType.F16, DType.BF16)]
    public void AllFactorsAreOfIt(string layout, FactorType type, DType source)
    {
        using TempFolder folder = new();
        string path = FluxSample.Of(source, size: 1.0 / 3).Save(folder["a.safetensors"]), output = folder[layout == "peft" ? "b" : "b.safetensors"];
        Converting.Run(Options(path, output, layout, type));
        var written = SafetensorsBytes.Read(layout == "peft" ? Path.Combine(output, "adapter_model.safetensors") : output);
        Oracle.Format format = type switch { FactorType.F16 => Oracle.Format.F16, FactorType.BF16 => Oracle.Format.BF16, _ => Oracle.Format.F32 };
        Assert.All(written.Where(t => !t.Key.EndsWith(".alpha")), t => Assert.Equal(type.ToString(), t.Value.DType.ToString()));
        double[] before = Sorted(SafetensorsBytes.Read(path)), after = Sorted(written);
        // Scales are carried beside the factors: each value is the source's, rounded once, to nearest even.
        Assert.Equal(before.Select(value => Oracle.Decode(format, Oracle.Encode(format, value)!.Value)).Order(), after);
    }

    [Theory]
    [InlineData(FactorType.Exact)]
    [InlineData(FactorType.Keep)]
    public void OtherwiseFactorsKeepTheirOwn(FactorType type)
    {
        using TempFolder folder = new();
        Converting.Run(Options(FluxSample.Of(DType.BF16).Save(folder["a.safetensors"]), folder["b.safetensors"], "diffusers", type));
        Assert.All(SafetensorsBytes.Read(folder["b.safetensors"]), t => Assert.Equal(DType.BF16, t.Value.DType));
    }

    /// <summary>Parts of different scales are multiplied in F64 and rounded at the end: by way of F32 or of the type itself, some would be off.</summary>
    [Theory]
    [InlineData(FactorType.F16)]
    [InlineData(FactorType.BF16)]
    [InlineData(FactorType.F32)]
    public void WhatIsComputedIsRoundedOnceToo(FactorType type)
    {
        using TempFolder folder = new();
        Random random = new(5);
        List<TestTensor> tensors = [];
        Dictionary<string, double[]> ups = [];
        foreach ((string part, double alpha) in (IEnumerable<(string, double)>)[("q", 3), ("k", 0.7), ("v", 1.9)])
        {
            string module = $"transformer.transformer_blocks.0.attn.to_{part}";
            ups[part] = [.. Enumerable.Range(0, 96).Select(_ => (double)(float)(random.NextDouble() - 0.5))];
            tensors.Add(new(module + ".lora_A.weight", DType.F32, [3, 32], [.. Enumerable.Range(0, 96).Select(_ => (double)(float)random.NextDouble())]));
            tensors.Add(new(module + ".lora_B.weight", DType.F32, [32, 3], ups[part]));
            tensors.Add(new(module + ".alpha", DType.F64, [], [alpha]));
        }

        SafetensorsBytes.Write(folder["a.safetensors"], tensors);
        Converting.Run(Options(folder["a.safetensors"], folder["b.safetensors"], "kohya", type));
        var written = SafetensorsBytes.Read(folder["b.safetensors"]);
        Assert.Equal(DType.F32, written[FluxSample.Fused + ".alpha"].DType);
        // The first part's scale is the whole's.
        Assert.Equal(9, written[FluxSample.Fused + ".alpha"].Values[0]);
        Oracle.Format format = type switch { FactorType.F16 => Oracle.Format.F16, FactorType.BF16 => Oracle.Format.BF16, _ => Oracle.Format.F32 };
        double[] up = written[FluxSample.Fused + ".lora_up.weight"].Values;
        for (int i = 0; i < 96; i++)
        {
            for (int p = 0; p < 3; p++)
            {
                double factor = ups["qkv".Substring(p, 1)][i] * (p switch { 0 => 1, 1 => (0.7 / 3) / (3.0 / 3), _ => (1.9 / 3) / (3.0 / 3) });
                Assert.Equal(Oracle.Decode(format, Oracle.Encode(format, factor)!.Value), up[(((p * 32) + (i / 3)) * 9) + (p * 3) + (i % 3)]);
            }
        }
    }

    [Fact]
    public void OverflowStopsItByName()
    {
        using TempFolder folder = new();
        FluxSample sample = FluxSample.Of();
        (string name, int count) = (FluxSample.Plain + ".lora_up.weight", 3);
        for (int i = 0; i < count; i++) sample.Set(name, 7 * i, i == 1 ? -70000 : 65520);
        NonFiniteException error = Assert.Throws<NonFiniteException>(() => Converting.Run(Options(sample.Save(folder["a.safetensors"]), folder["b.safetensors"], "diffusers", FactorType.F16)));
        Assert.Equal($"{name}: 3 of its 128 values are beyond the range of F16, the largest -70000; ask for a wider element type", error.Message);
        Assert.False(File.Exists(folder["b.safetensors"]));
        ConvertReport report = Converting.Run(Options(folder["a.safetensors"], folder["b.safetensors"], "diffusers", FactorType.BF16));
        Assert.Equal((0, 0), (report.Flushed, report.Subnormal));
    }

    [Fact]
    public void SmallValuesThatAreLostAreCounted()
    {
        using TempFolder folder = new();
        FluxSample sample = FluxSample.Of();
        string name = FluxSample.Plain + ".lora_up.weight";
        // Half of the smallest subnormal is 0 by ties to even; a third of it too; 3·2⁻²⁴ is a subnormal, exactly; 1.3·2⁻²⁰ is one, rounded; 2⁻¹⁴ is normal.
        double[] values = [Math.ScaleB(1, -25), -Math.ScaleB(1, -24) / 3, Math.ScaleB(3, -24), Math.ScaleB(1.3, -20), Math.ScaleB(1, -14), 0, -0.0, -Math.ScaleB(1.7, -16)];
        for (int i = 0; i < values.Length; i++) sample.Set(name, i, (float)values[i]);
        ConvertReport report = Converting.Run(Options(sample.Save(folder["a.safetensors"]), folder["b.safetensors"], "diffusers", FactorType.F16));
        Assert.Equal((2, 2), (report.Flushed, report.Subnormal));
        Assert.Contains($"2 became 0, and 2 lost digits, most in {name}", Assert.Single(report.Warnings));
        report = Converting.Run(Options(folder["a.safetensors"], folder["c.safetensors"], "diffusers", FactorType.BF16));
        Assert.Equal((0, 0), (report.Flushed, report.Subnormal));
        Assert.Empty(report.Warnings);
    }

    private static ConvertOptions Options(string adapter, string output, string layout, FactorType type)
    {
        ConvertOptions options = Converting.Options(adapter, output);
        return options with { Layout = layout, Architecture = "flux1", Output = options.Output with { ElementType = type } };
    }

    /// <summary>All values of factors that are not 0: dividing and fusing moves zeros.</summary>
    private static double[] Sorted(IReadOnlyDictionary<string, (DType DType, TensorShape Shape, double[] Values)> tensors) =>
        [.. tensors.Where(t => !t.Key.EndsWith(".alpha")).SelectMany(t => t.Value.Values).Where(value => value != 0).Order()];
}
