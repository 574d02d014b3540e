using LoraKit.Formats;

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
    public void AreFound(string module, string @base) => Assert.Equal([$"{@base}.weight"], PlannedTargets.Changed([module], [@base, "norm"]));

    [Fact]
    public void OneModelMayNeedSeveralRenames() => Assert.Equal(
        ["language_model.lm_head.weight", "language_model.model.layers.0.q.weight", "visual.blocks.0.q.weight"],
        PlannedTargets.Changed(["lm_head", "model.language_model.layers.0.q", "model.visual.blocks.0.q"], ["language_model.lm_head", "language_model.model.layers.0.q", "visual.blocks.0.q"]));

    [Fact]
    public void TheExactNameWins() => Assert.Equal(
        ["model.layers.0.q.weight"], PlannedTargets.Changed(["model.layers.0.q"], ["model.layers.0.q", "language_model.layers.0.q"]));

    [Theory]
    [InlineData("layers.0.q", "model.layers.0.q", "language_model.layers.0.q")]
    [InlineData("layers.0.q", "left.layers.0.q", "right.layers.0.q")]
    public void TwoAnswersAreNone(string module, string one, string two) =>
        Assert.Throws<TargetMismatchException>(() => PlannedTargets.Changed([module], [one, two]));

    /// <summary>One stack of layers is not made of two.</summary>
    [Fact]
    public void PartsOfTwoStacksAreNone() => Assert.Throws<TargetMismatchException>(
        () => PlannedTargets.Changed(["model.layers.0.q", "model.layers.1.q"], ["model.layers.0.q", "language_model.layers.0.q", "language_model.layers.1.q"]));

    /// <summary>The same layers, but of another model.</summary>
    [Theory]
    [InlineData("roberta.encoder.layer.0.attention.self.query", "bert.encoder.layer.0.attention.self.query")]
    [InlineData("bert.encoder.layer.0.attention.self.query", "model.electra.encoder.layer.0.attention.self.query")]
    // A tower that this base does not have.
    [InlineData("text_model.encoder.layers.0.self_attn.q_proj", "vision_model.encoder.layers.0.self_attn.q_proj")]
    [InlineData("model.encoder.layers.0.self_attn.q_proj", "model.decoder.layers.0.self_attn.q_proj")]
    [InlineData("model.vision_tower.encoder.layers.0.q", "model.language_model.layers.0.q")]
    public void AnotherModelIsNoMatch(string module, string @base) =>
        Assert.Throws<TargetMismatchException>(() => PlannedTargets.Changed([module], [@base]));

    [Fact]
    public void AnUnknownPrefixMustExplainEverything() =>
        Assert.Throws<TargetMismatchException>(() => PlannedTargets.Changed(["strange.layers.0.q", "strange.layers.1.q"], ["layers.0.q"]));
}
