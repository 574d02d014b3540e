using LoraKit.Formats.Layouts.Factors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Hcp;

/// <summary>A module, <c>___</c> for the plugin in it, and the plugin's parts: <c>lora:mid_block.….to_q.___.layer.W_down</c>. See spec/layouts/hcp.md, "Keys".</summary>
internal static class HcpKey
{
    private const string Dictionary = "lora:", Plugin = ".___.";

    /// <summary>Takes a name apart.</summary>
    public static FactorKey Parse(TensorInfo tensor)
    {
        string name = tensor.Name.StartsWith(Dictionary, StringComparison.Ordinal) ? tensor.Name[Dictionary.Length..] : tensor.Name;
        int at = name.IndexOf(Plugin, StringComparison.Ordinal);
        FactorRole role = at < 1 ? FactorRole.Unknown : name[(at + Plugin.Length)..] switch
        {
            "layer.W_down" or "layer.lora_down.weight" => FactorRole.Down,
            "layer.W_up" or "layer.lora_up.weight" => FactorRole.Up,
            "layer.bias" or "layer.lora_up.bias" => FactorRole.Bias,
            "alpha" => FactorRole.Alpha,
            _ => FactorRole.Unknown,
        };
        return role == FactorRole.Unknown ? new(tensor, role, new(tensor.Name)) : new(tensor, role, new(name[..at]));
    }
}
