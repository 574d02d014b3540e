using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Rescale;
using LoraKit.Ops.Tests.Adapters;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Rescale;

/// <summary>kohya Flux files trained with split_qkv: fused modules of three or four times the rank, with the alpha of one.</summary>
public sealed class SplitQkvTests
{
    private const int Hidden = 12, Rank = 2;
    private const string Image = "lora_unet_double_blocks_0_img_attn_qkv", Text = "lora_unet_double_blocks_0_txt_attn_qkv",
        Single = "lora_unet_single_blocks_0_linear1", Plain = "lora_unet_double_blocks_0_img_attn_proj", Other = "lora_unet_single_blocks_0_linear2";

    [Fact]
    public void FusedModulesGetWhatTheyLack()
    {
        using TempFolder temp = new();
        string file = Write(temp["in.safetensors"]);
        var scales = Run(file, temp["out.safetensors"], null);
        Assert.Equal(new Dictionary<string, int?> { [Image] = 3, [Text] = 3, [Single] = 4, [Plain] = null, [Other] = null }, scales);
        var before = DeltaOracle.Updates(file);
        foreach ((string name, double[] update) in DeltaOracle.Updates(temp["out.safetensors"]))
        {
            Assert.Equal(before[name].Select(v => v * (scales[name] ?? 1)), update, (x, y) => Math.Abs(x - y) <= 1e-12);
        }
    }

    /// <summary>Once fixed, there is nothing more to fix; and so for files fused with the right alpha.</summary>
    [Fact]
    public void TwiceIsOnce()
    {
        using TempFolder temp = new();
        Run(Write(temp["in.safetensors"]), temp["out.safetensors"], null);
        InvalidAdapterException error = Assert.Throws<InvalidAdapterException>(() => Run(temp["out.safetensors"], temp["again.safetensors"], null));
        Assert.Contains("nothing to fix", error.Message);
        Assert.False(File.Exists(temp["again.safetensors"]));
    }

    /// <summary>One value off the diagonal blocks: trained as one module.</summary>
    [Fact]
    public void ADenseModuleIsNoSplitOne()
    {
        using TempFolder temp = new();
        var found = Run(Write(temp["in.safetensors"], dense: Image), temp["out.safetensors"], null);
        Assert.Null(found[Image]);
        Assert.Equal(3, found[Text]);
    }

    [Fact]
    public void WithAFactorBothCount()
    {
        using TempFolder temp = new();
        string file = Write(temp["in.safetensors"]);
        Run(file, temp["out.safetensors"], new RescaleAmount.By(0.5));
        var before = DeltaOracle.Facts(file, d => d.Scale);
        var after = DeltaOracle.Facts(temp["out.safetensors"], d => d.Scale);
        Assert.Equal(before[Image] * 1.5, after[Image], 1e-12);
        Assert.Equal(before[Plain] * 0.5, after[Plain], 1e-12);
    }

    [Fact]
    public void AnAlphaForAllContradictsIt()
    {
        using TempFolder temp = new();
        Assert.Throws<InvalidOptionException>(() => Run(Write(temp["in.safetensors"]), temp["out.safetensors"], new RescaleAmount.Alpha(4)));
    }

    private static Dictionary<string, int?> Run(string file, string output, RescaleAmount? amount)
    {
        RescaleOptions options = new() { Adapter = file, Output = new AdapterOutput(output) { Flush = false }, Amount = amount, FixSplitQkv = true };
        using RescalePlan plan = RescalePlan.Create(options);
        return plan.Run().Modules.ToDictionary(m => m.Name, m => m.SplitQkv);
    }

    private static string Write(string file, string? dense = null)
    {
        Random random = new(12);
        List<TestTensor> tensors = [];
        foreach ((string name, int[] rows) in ((string, int[])[])
            [(Image, [Hidden, Hidden, Hidden]), (Text, [Hidden, Hidden, Hidden]), (Single, [Hidden, Hidden, Hidden, 4 * Hidden]), (Plain, [Hidden]), (Other, [Hidden])])
        {
            int rank = Rank * rows.Length;
            double[] up = new double[rows.Sum() * rank];
            int row = 0;
            for (int part = 0; part < rows.Length; part++)
            {
                for (int end = row + rows[part]; row < end; row++)
                {
                    PeftFolder.Values(random, Rank, DType.BF16).CopyTo(up, (row * rank) + (part * Rank));
                }
            }

            if (name == dense) up[rank - 1] = 1;
            tensors.Add(new(name + ".lora_down.weight", DType.BF16, [rank, Hidden], PeftFolder.Values(random, rank * Hidden, DType.BF16)));
            tensors.Add(new(name + ".lora_up.weight", DType.BF16, [row, rank], up));
            tensors.Add(new(name + ".alpha", DType.BF16, [], [1.5]));
        }

        SafetensorsBytes.Write(file, tensors);
        return file;
    }
}
