using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Merge;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Targets;

/// <summary>Names as adapters spell them, found in bases as disks spell them.</summary>
public class TargetNamesTests
{
    [Theory]
    // The same.
    [InlineData("model.layers.0.q", "model.layers.0.q")]
    // A base saved without its head's prefix, and the other way round.
    [InlineData("transformer.h.0.q", "h.0.q")]
    [InlineData("bert.encoder.layer.0.q", "encoder.layer.0.q")]
    [InlineData("encoder.layer.0.q", "roberta.encoder.layer.0.q")]
    [InlineData("h.0.q", "transformer.h.0.q")]
    [InlineData("gpt_neox.layers.0.q", "layers.0.q")]
    // Vision-language models before and after transformers moved their halves.
    [InlineData("model.language_model.layers.0.q", "language_model.model.layers.0.q")]
    [InlineData("language_model.model.layers.0.q", "model.language_model.layers.0.q")]
    [InlineData("model.language_model.layers.0.q", "model.layers.0.q")]
    [InlineData("model.layers.0.q", "model.language_model.layers.0.q")]
    [InlineData("model.visual.blocks.0.q", "visual.blocks.0.q")]
    [InlineData("visual.blocks.0.q", "model.visual.blocks.0.q")]
    [InlineData("lm_head", "language_model.lm_head")]
    [InlineData("model.vision_tower.encoder.0.q", "vision_tower.encoder.0.q")]
    // Prefixes that nobody has heard of.
    [InlineData("layers.0.q", "strange.layers.0.q")]
    [InlineData("strange.layers.0.q", "layers.0.q")]
    [InlineData("layers.0.q", "strange.inner.layers.0.q")]
    public void AreFound(string module, string @base) => Assert.Equal([$"{@base}.weight"], Changed([module], [@base, "norm"]));

    [Fact]
    public void OneModelMayNeedSeveralRenames() => Assert.Equal(
        ["language_model.lm_head.weight", "language_model.model.layers.0.q.weight", "visual.blocks.0.q.weight"],
        Changed(["lm_head", "model.language_model.layers.0.q", "model.visual.blocks.0.q"], ["language_model.lm_head", "language_model.model.layers.0.q", "visual.blocks.0.q"]));

    [Fact]
    public void TheExactNameWins() => Assert.Equal(
        ["model.layers.0.q.weight"], Changed(["model.layers.0.q"], ["model.layers.0.q", "language_model.layers.0.q"]));

    [Theory]
    [InlineData("layers.0.q", "model.layers.0.q", "language_model.layers.0.q")]
    [InlineData("layers.0.q", "left.layers.0.q", "right.layers.0.q")]
    public void TwoAnswersAreNone(string module, string one, string two) =>
        Assert.Throws<TargetMismatchException>(() => Changed([module], [one, two]));

    [Fact]
    public void AnUnknownPrefixMustExplainEverything() =>
        Assert.Throws<TargetMismatchException>(() => Changed(["strange.layers.0.q", "strange.layers.1.q"], ["layers.0.q"]));

    private static string[] Changed(string[] modules, string[] bases)
    {
        using TempFolder temp = new();
        Random random = new(1);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], [.. bases.Select(b => Merging.Random($"{b}.weight", DType.F32, random, 4, 3))]);
        PeftFolder adapter = new(temp["adapter"], 1, 1);
        foreach (string module in modules)
        {
            adapter.Linear(module, 4, 3, random);
        }

        adapter.Save();
        using MergePlan plan = MergePlan.Create(Merging.Options(temp["base"], adapter.Path, temp["out"]));
        return [.. plan.Tensors.Where(t => t.Action == TensorAction.Change).Select(t => t.Name).Order(StringComparer.Ordinal)];
    }
}
