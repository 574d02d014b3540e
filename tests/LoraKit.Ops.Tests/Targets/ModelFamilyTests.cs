namespace LoraKit.Ops.Tests.Targets;

/// <summary>
/// Families of models with the names of their published files, and of adapters as PEFT saves them: now and, where transformers moved
/// modules, before. Every adapter module finds its own tensor and no other.
/// </summary>
public class ModelFamilyTests
{
    private const string VisionTower = "vision_tower.vision_model.encoder.layers.0.self_attn.q_proj";

    /// <summary>Name, modules of the adapter, and the base's tensors: first those that must be found, then others.</summary>
    public static TheoryData<string, string[], string[], string[]> Families() => new()
    {
        {
            "Llama, Mistral, Qwen2, Qwen3, Gemma",
            ["model.layers.0.self_attn.q_proj", "model.layers.0.mlp.down_proj", "model.embed_tokens", "lm_head"],
            ["model.layers.0.self_attn.q_proj", "model.layers.0.mlp.down_proj", "model.embed_tokens", "lm_head"],
            ["model.layers.1.self_attn.q_proj", "model.norm"]
        },
        { "Llama, body alone", ["model.layers.0.self_attn.q_proj"], ["layers.0.self_attn.q_proj"], ["embed_tokens", "norm"] },
        { "Llama, adapter for the body", ["layers.0.self_attn.q_proj"], ["model.layers.0.self_attn.q_proj"], ["model.embed_tokens", "lm_head"] },
        { "Phi-3", ["model.layers.0.self_attn.qkv_proj", "model.layers.0.mlp.gate_up_proj"], ["model.layers.0.self_attn.qkv_proj", "model.layers.0.mlp.gate_up_proj"], ["lm_head"] },
        {
            "Mixtral",
            ["model.layers.0.block_sparse_moe.experts.0.w1", "model.layers.0.block_sparse_moe.experts.1.w1", "model.layers.0.block_sparse_moe.gate"],
            ["model.layers.0.block_sparse_moe.experts.0.w1", "model.layers.0.block_sparse_moe.experts.1.w1", "model.layers.0.block_sparse_moe.gate"],
            ["model.layers.1.block_sparse_moe.experts.0.w1", "model.layers.0.block_sparse_moe.experts.0.w2"]
        },
        { "GPT-2", ["transformer.h.0.attn.c_attn", "transformer.wte"], ["h.0.attn.c_attn", "wte"], ["h.1.attn.c_attn", "wpe", "ln_f"] },
        { "GPT-NeoX", ["gpt_neox.layers.0.attention.query_key_value"], ["gpt_neox.layers.0.attention.query_key_value"], ["embed_out"] },
        { "Falcon", ["transformer.h.0.self_attention.query_key_value"], ["transformer.h.0.self_attention.query_key_value"], ["lm_head", "transformer.word_embeddings"] },
        { "BLOOM", ["transformer.h.0.self_attention.query_key_value"], ["h.0.self_attention.query_key_value"], ["word_embeddings", "ln_f"] },
        { "OPT", ["model.decoder.layers.0.self_attn.q_proj"], ["model.decoder.layers.0.self_attn.q_proj"], ["model.decoder.embed_tokens"] },
        { "OPT, body alone", ["model.decoder.layers.0.self_attn.q_proj"], ["decoder.layers.0.self_attn.q_proj"], ["decoder.embed_tokens"] },
        {
            "T5",
            ["encoder.block.0.layer.0.SelfAttention.q", "decoder.block.0.layer.0.SelfAttention.q", "shared"],
            ["encoder.block.0.layer.0.SelfAttention.q", "decoder.block.0.layer.0.SelfAttention.q", "shared"],
            ["decoder.block.0.layer.1.EncDecAttention.q", "lm_head"]
        },
        { "BERT", ["bert.encoder.layer.0.attention.self.query"], ["bert.encoder.layer.0.attention.self.query"], ["cls.predictions.transform.dense"] },
        { "BERT, body alone", ["bert.encoder.layer.0.attention.self.query"], ["encoder.layer.0.attention.self.query"], ["pooler.dense"] },
        { "RoBERTa, adapter for the body", ["encoder.layer.0.attention.self.query"], ["roberta.encoder.layer.0.attention.self.query"], ["lm_head.dense"] },
        { "DistilBERT", ["distilbert.transformer.layer.0.attention.q_lin"], ["distilbert.transformer.layer.0.attention.q_lin"], ["vocab_transform"] },
        { "DistilBERT, body alone", ["distilbert.transformer.layer.0.attention.q_lin"], ["transformer.layer.0.attention.q_lin"], ["embeddings.word_embeddings"] },
        { "sentence-transformers", ["0.auto_model.encoder.layer.0.attention.self.query"], ["encoder.layer.0.attention.self.query"], ["pooler.dense"] },
        { "sentence-transformers, T5", ["auto_model.encoder.block.0.layer.0.SelfAttention.q"], ["encoder.block.0.layer.0.SelfAttention.q"], ["shared"] },
        { "ViT", ["vit.encoder.layer.0.attention.attention.query"], ["encoder.layer.0.attention.attention.query"], ["pooler.dense"] },
        {
            "CLIP",
            ["text_model.encoder.layers.0.self_attn.q_proj", "vision_model.encoder.layers.0.self_attn.q_proj"],
            ["text_model.encoder.layers.0.self_attn.q_proj", "vision_model.encoder.layers.0.self_attn.q_proj"],
            ["visual_projection", "text_projection"]
        },
        {
            "Whisper",
            ["model.encoder.layers.0.self_attn.q_proj", "model.decoder.layers.0.self_attn.q_proj", "model.decoder.layers.0.encoder_attn.q_proj"],
            ["model.encoder.layers.0.self_attn.q_proj", "model.decoder.layers.0.self_attn.q_proj", "model.decoder.layers.0.encoder_attn.q_proj"],
            ["model.decoder.embed_tokens", "model.encoder.layers.1.self_attn.q_proj"]
        },
        { "diffusers' UNet", ["down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"], ["down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"], ["up_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"] },
        {
            "LLaVA, Gemma 3, PaliGemma, Mistral 3 since 4.52",
            ["model.language_model.layers.0.self_attn.q_proj", $"model.{VisionTower}", "model.multi_modal_projector.linear_1", "lm_head"],
            ["language_model.model.layers.0.self_attn.q_proj", VisionTower, "multi_modal_projector.linear_1", "language_model.lm_head"],
            ["language_model.model.embed_tokens"]
        },
        {
            "LLaVA before 4.52",
            ["language_model.model.layers.0.self_attn.q_proj", VisionTower, "multi_modal_projector.linear_1", "language_model.lm_head"],
            ["language_model.model.layers.0.self_attn.q_proj", VisionTower, "multi_modal_projector.linear_1", "language_model.lm_head"],
            ["language_model.model.embed_tokens"]
        },
        {
            "LLaVA before 4.52 on a base saved since",
            ["language_model.model.layers.0.self_attn.q_proj", VisionTower, "language_model.lm_head"],
            ["model.language_model.layers.0.self_attn.q_proj", $"model.{VisionTower}", "lm_head"],
            ["model.language_model.embed_tokens"]
        },
        { "Gemma 3, text alone", ["model.layers.0.self_attn.q_proj"], ["language_model.model.layers.0.self_attn.q_proj"], [VisionTower] },
        {
            "Mistral 3, vision",
            ["model.vision_tower.transformer.layers.0.attention.q_proj"], ["vision_tower.transformer.layers.0.attention.q_proj"], ["language_model.model.layers.0.attention.q_proj"]
        },
        {
            "Qwen2-VL, Qwen2.5-VL since 4.52",
            ["model.language_model.layers.0.mlp.gate_proj", "model.visual.blocks.0.mlp.gate_proj", "model.visual.merger.mlp.0"],
            ["model.layers.0.mlp.gate_proj", "visual.blocks.0.mlp.gate_proj", "visual.merger.mlp.0"],
            ["lm_head", "model.embed_tokens"]
        },
        { "Qwen2-VL before", ["model.layers.0.mlp.gate_proj", "visual.blocks.0.mlp.gate_proj"], ["model.layers.0.mlp.gate_proj", "visual.blocks.0.mlp.gate_proj"], ["lm_head"] },
        {
            "Mllama",
            ["model.language_model.layers.3.cross_attn.q_proj", "model.vision_model.transformer.layers.0.self_attn.q_proj", "lm_head"],
            ["language_model.model.layers.3.cross_attn.q_proj", "vision_model.transformer.layers.0.self_attn.q_proj", "language_model.lm_head"],
            ["vision_model.global_transformer.layers.0.self_attn.q_proj"]
        },
    };

    [Theory]
    [MemberData(nameof(Families))]
    public void EveryModuleFindsItsTensor(string family, string[] modules, string[] found, string[] others)
    {
        Assert.NotEmpty(family);
        Assert.Equal(found.Select(f => $"{f}.weight").Order(StringComparer.Ordinal), PlannedTargets.Changed(modules, [.. found, .. others]));
        // Each alone finds the same.
        for (int i = 0; i < modules.Length; i++)
        {
            Assert.Equal([$"{found[i]}.weight"], PlannedTargets.Changed([modules[i]], [.. found, .. others]));
        }
    }

    [Theory]
    [InlineData("lm_head", "wte", "transformer.wte")]
    [InlineData("proj_out", "model.decoder.embed_tokens", "model.decoder.embed_tokens")]
    [InlineData("lm_head", "language_model.model.embed_tokens", "model.language_model.embed_tokens")]
    public void ATiedHeadIsItsEmbedding(string head, string embedding, string alsoNamed)
    {
        Assert.Equal([$"{embedding}.weight"], PlannedTargets.Changed([head], [embedding, "norm"]));
        Assert.Equal([$"{embedding}.weight"], PlannedTargets.Changed([alsoNamed], [embedding, "norm"]));
    }
}
