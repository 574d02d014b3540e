using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;

namespace LoraKit.Ops.Inspect.Consumers;

/// <summary>The settings of adapter_config.json that serving programs read for the whole adapter.</summary>
internal static class PeftSettings
{
    private const string Peft = "peft";

    /// <summary>The one finding of a layout that programs for language models do not open.</summary>
    public static bool IsOther(Adapter adapter, string program, out AdapterIssue finding)
    {
        finding = Finding.Refused($"{program} opens folders of PEFT's with an adapter_config.json, and this is of the layout {adapter.Layout}; convert it --to {Peft}");
        return adapter.Layout != Peft;
    }

    /// <summary>lora_alpha; 8 where it is not said, as in PEFT.</summary>
    public static double Alpha(Adapter adapter) => Number(adapter, "lora_alpha") ?? 8;

    /// <summary>r; 8 where it is not said, as in PEFT.</summary>
    public static double Rank(Adapter adapter) => Number(adapter, "r") ?? 8;

    /// <summary>Whether alpha is divided by the root of the rank.</summary>
    public static bool IsRankStabilized(Adapter adapter) => adapter.Config?.Json["use_rslora"] is JsonValue value && value.TryGetValue(out bool flag) && flag;

    private static double? Number(Adapter adapter, string setting) => adapter.Config?.Json[setting] is JsonValue value && value.TryGetValue(out double number) ? number : null;
}
