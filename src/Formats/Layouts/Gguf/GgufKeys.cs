namespace LoraKit.Formats.Layouts.Gguf;

/// <summary>The keys of an adapter's header. Source: gguf-py's constants, llama-adapter.cpp.</summary>
internal static class GgufKeys
{
    public const string Architecture = "general.architecture";
    public const string Type = "general.type";
    public const string AdapterType = "adapter.type";
    public const string Alpha = "adapter.lora.alpha";
    public const string InvocationTokens = "adapter.alora.invocation_tokens";
    public const string BaseModels = "general.base_model.count";
    public const string BaseModelName = "general.base_model.0.name";
    public const string BaseModelUrl = "general.base_model.0.repo_url";

    /// <summary>What <see cref="Type"/> and <see cref="AdapterType"/> say.</summary>
    public const string Adapter = "adapter";
    public const string Lora = "lora";

    public static string Heads(string? architecture) => $"{architecture}.attention.head_count";

    public static string KeyValueHeads(string? architecture) => $"{architecture}.attention.head_count_kv";
}
