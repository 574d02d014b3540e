using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Merge;
using LoraKit.Ops.Rescale;
using LoraKit.Ops.Resize;
using LoraKit.Ops.Stack;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge;

/// <summary>Files of LyCORIS' kinds into files of bases.</summary>
public class LycorisMergeTests
{
    private const int Outputs = 36, Inputs = 53, Rank = 3, Size = 4;
    private const double Scale = 2.0 / Rank;

    /// <summary>Two adapters that both depend on W change the same W: neither sees the other, and weights are factors.</summary>
    [Theory]
    [InlineData(DType.F16)]
    [InlineData(DType.BF16)]
    [InlineData(DType.F32)]
    [InlineData(DType.F64)]
    public void SeveralUpdatesOfOneWeight(DType dtype)
    {
        using TempFolder temp = new();
        Random random = new(12);
        TestTensor weight = Merging.Random("blocks.0.to_q.weight", dtype, random, Outputs, Inputs);
        TestTensor a1 = Merging.Random("lora_unet_blocks_0_to_q.a1.weight", DType.F16, random, Inputs, Rank), a2 = Merging.Random("lora_unet_blocks_0_to_q.a2.weight", DType.F16, random, Rank, Inputs);
        TestTensor b1 = Merging.Random("lora_unet_blocks_0_to_q.b1.weight", DType.F16, random, Outputs, Rank), b2 = Merging.Random("lora_unet_blocks_0_to_q.b2.weight", DType.F16, random, Rank, Inputs);
        TestTensor blocks = Merging.Random("lora_unet_blocks_0_to_q.oft_blocks", DType.F32, random, Outputs / Size, Size, Size);
        SafetensorsBytes.Write(temp["base.safetensors"], [weight]);
        SafetensorsBytes.Write(temp["glora.safetensors"], [a1, a2, b1, b2, new("lora_unet_blocks_0_to_q.alpha", DType.F32, [], [2])]);
        SafetensorsBytes.Write(temp["oft.safetensors"], [blocks]);
        Merging.Run(new MergeOptions
        {
            Base = temp["base.safetensors"],
            Adapters = [new(temp["glora.safetensors"], 0.5), new(temp["oft.safetensors"], -1.5)],
            Output = temp["out.safetensors"],
            Flush = false,
            TileBytes = 256,
        });
        double[] glora = LycorisOracle.Glora(weight.Values, Outputs, Inputs, 1, Rank, Scale, a1.Values, a2.Values, b1.Values, b2.Values);
        double[] turned = LycorisOracle.DiagOft(weight.Values, Inputs, LycorisOracle.Rotations(blocks.Values, Size, _ => 1), null);
        double[] expected = [.. weight.Values.Select((value, i) => value + (0.5 * glora[i]) - (1.5 * (turned[i] - value)))];
        double[] magnitudes = [.. weight.Values.Select((value, i) => Math.Abs(value) + Math.Abs(glora[i]) + Math.Abs(turned[i]) + 1)];
        Merging.AssertClose(expected, magnitudes, SafetensorsBytes.Read(temp["out.safetensors"])[weight.Name].Values, dtype, Inputs);
    }

    /// <summary>A kernel of one point in the adapter, none in the base, and the other way round.</summary>
    [Theory]
    [InlineData(new long[] { 5, 7 }, true)]
    [InlineData(new long[] { 5, 7, 1, 1 }, false)]
    [InlineData(new long[] { 5, 7, 1, 1 }, true)]
    public void APointIsNoKernel(long[] shape, bool hasPoint)
    {
        using TempFolder temp = new();
        Random random = new(13);
        long[] point = hasPoint ? [1, 1] : [];
        TestTensor weight = Merging.Random("proj.weight", DType.F32, random, shape), down = Merging.Random("lora_unet_proj.lora_down.weight", DType.F32, random, [2, 7, .. point]);
        TestTensor up = Merging.Random("lora_unet_proj.lora_up.weight", DType.F32, random, [5, 2, .. point]);
        SafetensorsBytes.Write(temp["base.safetensors"], [weight]);
        SafetensorsBytes.Write(temp["a.safetensors"], [down, up, new("lora_unet_proj.alpha", DType.F32, [], [3])]);
        Merging.Run(Merging.Options(temp["base.safetensors"], temp["a.safetensors"], temp["out.safetensors"]));
        (double[] sums, double[] magnitudes) = Oracle.AddProduct(weight.Values, [.. up.Values.Select(value => 1.5 * value)], down.Values, 5, 7, 2);
        Merging.AssertClose(sums, [.. magnitudes.Zip(weight.Values, (m, v) => m + Math.Abs(v))], SafetensorsBytes.Read(temp["out.safetensors"])["proj.weight"].Values, DType.F32, 2);
    }

    [Theory]
    [InlineData(LycorisScale.OfNames, "lycoris_proj", 0.25)]
    [InlineData(LycorisScale.OfNames, "lora_unet_proj", 0.5)]
    [InlineData(LycorisScale.Once, "lycoris_proj", 0.5)]
    [InlineData(LycorisScale.Twice, "lora_unet_proj", 0.25)]
    public void AlphaByRankOnceOrTwice(LycorisScale option, string module, double scale)
    {
        using TempFolder temp = new();
        SafetensorsBytes.Write(temp["base.safetensors"], [new("proj.weight", DType.F32, [2, 3], new double[6])]);
        SafetensorsBytes.Write(temp["a.safetensors"],
        [
            new($"{module}.hada_w1_a", DType.F32, [2, 2], [1, 2, 3, 4]), new($"{module}.hada_w1_b", DType.F32, [2, 3], [1, 0, 1, 0, 1, 1]),
            new($"{module}.hada_w2_a", DType.F32, [2, 2], [1, 1, 1, 1]), new($"{module}.hada_w2_b", DType.F32, [2, 3], [1, 1, 1, 1, 1, 1]), new($"{module}.alpha", DType.F32, [], [1]),
        ]);
        Merging.Run(Merging.Options(temp["base.safetensors"], temp["a.safetensors"], temp["out.safetensors"]) with
        {
            Adapters = [new(temp["a.safetensors"]) { Reading = new() { LycorisScale = option } }],
        });
        Assert.Equal([.. new double[] { 1, 2, 3, 3, 4, 7 }.Select(value => 2 * scale * value)], SafetensorsBytes.Read(temp["out.safetensors"])["proj.weight"].Values);
    }

    /// <summary>Values put in place, differences of norms and biases, in one file.</summary>
    [Fact]
    public void NormsBiasesAndReplacedWeights()
    {
        using TempFolder temp = new();
        SafetensorsBytes.Write(temp["base.safetensors"],
        [
            new("model.diffusion_model.norm.weight", DType.F32, [2], [1, 2]), new("model.diffusion_model.norm.bias", DType.F32, [2], [3, 4]),
            new("model.diffusion_model.k.scale", DType.F32, [2], [5, 6]), new("model.diffusion_model.p.weight", DType.F32, [2, 2], [1, 1, 1, 1]),
            new("model.diffusion_model.p.bias", DType.F32, [2], [7, 8]),
        ]);
        SafetensorsBytes.Write(temp["a.safetensors"],
        [
            new("lora_unet_norm.w_norm", DType.F32, [2], [0.5, 1]), new("lora_unet_norm.b_norm", DType.F32, [2], [2, 4]), new("lora_unet_p.diff_b", DType.F32, [2], [1, -1]),
            new("lora_unet_p.lora_down.weight", DType.F32, [1, 2], [1, 2]), new("lora_unet_p.lora_up.weight", DType.F32, [2, 1], [1, 3]),
        ]);
        SafetensorsBytes.Write(temp["set.safetensors"], [new("model.diffusion_model.k.scale.set_weight", DType.F32, [2], [9, 10])]);
        Merging.Run(Merging.Options(temp["base.safetensors"], temp["a.safetensors"], temp["out.safetensors"]) with { Adapters = [new(temp["a.safetensors"], 2), new(temp["set.safetensors"])] });
        var values = SafetensorsBytes.Read(temp["out.safetensors"]).ToDictionary(tensor => tensor.Key["model.diffusion_model.".Length..], tensor => tensor.Value.Values);
        Assert.Equal([2, 4], values["norm.weight"]);
        Assert.Equal([7, 12], values["norm.bias"]);
        Assert.Equal([9, 10], values["k.scale"]);
        Assert.Equal([9, 6], values["p.bias"]);
        Assert.Equal([3, 5, 7, 13], values["p.weight"]);
    }

    [Fact]
    public void WhatWorksOnFactorsSaysWhatToRunFirst()
    {
        using TempFolder temp = new();
        string adapter = Paths.Fixture("lycoris", "loha", "adapter.safetensors");
        Exception[] refusals =
        [
            Assert.ThrowsAny<LoraKit.Formats.UnsupportedException>(() => ResizePlan.Create(new() { Adapter = adapter, Output = new(temp["out.safetensors"]), Policy = new RankPolicy.Fixed(2) }, new SimdCompute())),
            Assert.ThrowsAny<LoraKit.Formats.UnsupportedException>(() => StackPlan.Create(new() { Adapters = [new(adapter), new(adapter)], Output = new(temp["out.safetensors"]) })),
            Assert.ThrowsAny<LoraKit.Formats.UnsupportedException>(() => RescalePlan.Create(new() { Adapter = adapter, Output = new(temp["out.safetensors"]), Amount = new RescaleAmount.By(2) })),
        ];
        Assert.All(refusals, refusal => Assert.Contains("is loha, not plain LoRA; run 'convert --to peft --max-error 0' first", refusal.Message));
        Assert.False(File.Exists(temp["out.safetensors"]));
    }
}
