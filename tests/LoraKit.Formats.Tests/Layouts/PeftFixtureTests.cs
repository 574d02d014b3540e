using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>Adapters that PEFT itself wrote.</summary>
public sealed class PeftFixtureTests
{
    /// <summary>Deltas by kind, replacements by reason, and the distinct (rank, scale) pairs.</summary>
    [Theory]
    [InlineData("lora-linear-f32", "lora×18", "", "4:2")]
    [InlineData("lora-linear-bf16", "lora×18", "", "4:2")]
    [InlineData("lora-linear-f16", "lora×6", "", "5:1.4")]
    [InlineData("lora-all-linear-layers", "lora×2", "", "4:2")]
    [InlineData("lora-rank-above-dim", "lora×3", "", "33:0.242424")]
    [InlineData("lora-patterns", "lora×18", "", "2:1.5 3:2.666667 4:0.75 4:2 7:1.142857")]
    [InlineData("lora-rslora", "lora×6", "", "6:3.265986")]
    [InlineData("lora-rslora-patterns", "lora×6", "", "4:4 9:10.666667 9:2.666667")]
    [InlineData("lora-bias-all", "lora×6", "bias×7", "4:2")]
    [InlineData("lora-bias-lora-only", "lora×6", "bias×3", "4:2")]
    [InlineData("lora-lora-bias", "dense×3 lora×3", "", "4:2")]
    [InlineData("lora-modules-to-save", "lora×6", "modules_to_save×1", "4:2")]
    [InlineData("lora-embedding-lmhead", "lora×5", "", "4:2")]
    [InlineData("lora-tokens", "lora×6", "trainable_tokens×1", "4:2")]
    [InlineData("lora-gpt2-conv1d", "lora×4", "", "4:2")]
    [InlineData("lora-conv", "lora×5", "", "4:2")]
    public void A_fixture_reads_with_its_kinds_ranks_and_scales(string name, string kinds, string reasons, string scales)
    {
        using Adapter adapter = AdapterLayouts.Open(Paths.Fixture("peft", name, "adapter"));
        Assert.Equal(kinds, Count(adapter.Deltas.Select(delta => delta.Kind)));
        Assert.Equal(reasons, Count(adapter.Replacements.Select(replacement => replacement.Reason)));
        Assert.Equal(scales, string.Join(' ', adapter.Deltas.OfType<LowRankDelta>()
            .Select(delta => string.Create(null, $"{delta.Rank}:{Math.Round(delta.Scale, 6)}")).Distinct().Order(StringComparer.Ordinal)));
        Assert.DoesNotContain(adapter.Issues, issue => issue.Severity == IssueSeverity.Warning && issue.Code != "pattern_matches_nothing");
        Assert.All(adapter.Deltas.SelectMany(delta => delta.Tensors), tensor => Assert.All(tensor.ToSingles(), value => Assert.True(float.IsFinite(value))));
    }

    /// <summary>ΔW from the factors, added to the base in doubles, is PEFT's merged weight: rank, scale, transposition and order are right.</summary>
    [Theory]
    [InlineData("lora-linear-f32")]
    [InlineData("lora-patterns")]
    [InlineData("lora-rslora")]
    [InlineData("lora-rslora-patterns")]
    [InlineData("lora-all-linear-layers")]
    [InlineData("lora-rank-above-dim")]
    [InlineData("lora-bias-all")]
    [InlineData("lora-bias-lora-only")]
    [InlineData("lora-lora-bias")]
    [InlineData("lora-modules-to-save")]
    [InlineData("lora-embedding-lmhead")]
    [InlineData("lora-tokens")]
    [InlineData("lora-gpt2-conv1d")]
    [InlineData("lora-conv")]
    public void Read_and_added_naively_it_is_what_PEFT_merged(string name)
    {
        using Adapter adapter = AdapterLayouts.Open(Paths.Fixture("peft", name, "adapter"));
        using SafetensorsFile baseFile = SafetensorsFile.Open(Paths.Fixture("peft", name, "base", "model.safetensors"));
        using SafetensorsFile merged = SafetensorsFile.Open(Paths.Fixture("peft", name, "merged.safetensors"));
        foreach (TensorInfo info in baseFile.Tensors)
        {
            double[] values = new StoredTensor(baseFile, info).ToDoubles();
            foreach (Replacement replacement in adapter.Replacements.Where(r => r.Target.Path == info.Name)) NaiveMerge.Replace(values, replacement);
            foreach (AdapterDelta delta in adapter.Deltas.Where(d => d.Target.Path == info.Name)) NaiveMerge.Add(values, info.Shape, delta);

            Assert.True(merged.TryGetTensor(info.Name, out TensorInfo? expectedInfo), info.Name);
            double[] expected = new StoredTensor(merged, expectedInfo).ToDoubles();
            double tolerance = 1e-5 * expected.Max(Math.Abs);
            for (int i = 0; i < expected.Length; i++)
            {
                Assert.True(Math.Abs(values[i] - expected[i]) <= tolerance, $"{info.Name}[{i}]: {values[i]} instead of {expected[i]}");
            }
        }
    }

    [Theory]
    [InlineData("johntnanney__gradience/examples/adapters/tiny_lora", 12, 8, 2.0, 0)]
    [InlineData("hyper07__Skin-Lesion-Generation-Diffusion/lora_weights", 128, 4, 4.0, 0)]
    [InlineData("huggingface__peft/examples/monteclora_finetuning/monteclora-roberta-mrpc/checkpoint-230", 24, 8, 2.0, 4)]
    public void Adapters_from_the_wild_read_with_every_tensor_claimed(string path, int deltas, long rank, double scale, int replacements)
    {
        Assert.SkipWhen(Paths.RealData is null, "no real adapters on this machine");
        using Adapter adapter = AdapterLayouts.Open(Path.Combine(Paths.RealData!, "peft", path));
        Assert.Equal(deltas, adapter.Deltas.Count);
        Assert.All(adapter.Deltas.Cast<LowRankDelta>(), delta => Assert.Equal((rank, scale), (delta.Rank, delta.Scale)));
        Assert.Equal(replacements, adapter.Replacements.Count(replacement => replacement.Reason == "modules_to_save"));
        Assert.Equal(replacements, adapter.Replacements.Count);
        Assert.DoesNotContain(adapter.Issues, issue => issue.Severity == IssueSeverity.Warning);
    }

    private static string Count(IEnumerable<string> words) =>
        string.Join(' ', words.GroupBy(word => word).Select(group => $"{group.Key}×{group.Count()}").Order(StringComparer.Ordinal));
}
