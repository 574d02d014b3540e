using System.Text;
using LoraKit.Formats.Checkpoints;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Checkpoints;

public sealed class BaseFactsTests
{
    [Theory]
    [InlineData("""{ "model_type": "llama", "num_attention_heads": 32, "num_key_value_heads": 8, "tie_word_embeddings": false }""", "llama", 32, 8, null, false)]
    [InlineData("""{ "model_type": "mistral", "num_attention_heads": 32 }""", "llama", 32, 32, null, null)]
    [InlineData("""{ "model_type": "mixtral", "num_attention_heads": 32, "num_local_experts": 8 }""", "llama", 32, 32, 8, null)]
    [InlineData("""{ "model_type": "qwen3_moe", "num_attention_heads": 32, "num_key_value_heads": 4, "num_experts": 128 }""", "qwen3moe", 32, 4, 128, null)]
    [InlineData("""{ "model_type": "gemma3", "text_config": { "model_type": "gemma3_text", "num_attention_heads": 8, "num_key_value_heads": 4 } }""", "gemma3", 8, 4, null, null)]
    [InlineData("""{ "model_type": "gpt_oss", "num_attention_heads": 64, "num_key_value_heads": 8, "num_local_experts": 32 }""", "gpt-oss", 64, 8, 32, null)]
    [InlineData("""{ "model_type": "mamba", "num_attention_heads": -1 }""", null, null, null, null, null)]
    public void Of_a_configuration(string json, string? architecture, int? heads, int? keyValueHeads, int? experts, bool? ties)
    {
        using TempFolder folder = new();
        File.WriteAllText(folder["config.json"], json);
        BaseFacts expected = new() { Architecture = architecture, Heads = heads, KeyValueHeads = keyValueHeads, Experts = experts, TiesWordEmbeddings = ties };
        Assert.Equal(expected, BaseFacts.Of(ModelConfig.Parse(Encoding.UTF8.GetBytes(json), "config.json")));
        Assert.Equal(expected, BaseFacts.Find(folder.Path));
        Assert.Equal(expected, BaseFacts.Find(folder["config.json"]));
        Assert.True(BaseFacts.AreAll(folder.Path));
        File.WriteAllText(folder["model.safetensors"], "");
        Assert.False(BaseFacts.AreAll(folder.Path));
    }

    [Fact]
    public void Of_a_gguf_model()
    {
        using TempFolder folder = new();
        File.WriteAllBytes(folder["m.gguf"], new GgufBytes().Key("general.architecture", "llama").Key("llama.attention.head_count", 4u).Key("llama.expert_count", 3u).ToArray());
        Assert.Equal(new() { Architecture = "llama", Heads = 4, KeyValueHeads = 4, Experts = 3, TiesWordEmbeddings = true }, BaseFacts.Find(folder["m.gguf"]));
        Assert.True(BaseFacts.AreAll(folder["m.gguf"]));
    }

    [Fact]
    public void Of_nothing()
    {
        using TempFolder folder = new();
        File.WriteAllText(folder["x"], "no model");
        Assert.Null(BaseFacts.Find(folder.Path));
        Assert.Null(BaseFacts.Find(folder["x"]));
        Assert.Null(BaseFacts.Find(folder["none"]));
        Assert.False(BaseFacts.AreAll(folder.Path));
    }
}
