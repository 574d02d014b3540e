using LoraKit.Formats.Layouts.Factors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Diffusers;

/// <summary>PEFT's names behind the name of a pipeline's component: <c>unet.….to_q.lora_A.weight</c>. See spec/layouts/diffusers.md, "Keys".</summary>
internal static class DiffusersKey
{
    private const string Transformer = "transformer.";

    private static readonly string[] Components =
        ["unet.", Transformer, "transformer_2.", "text_encoder.", "text_encoder_2.", "text_encoder_3.", "text_encoder_4.", "text_conditioner.", "prior.", "controlnet."];

    // Language models call their body so too; without adapter_config.json such a file is PEFT's that lacks it.
    private static readonly string[] LanguageBodies = ["h.", "wte.", "word_embeddings.", "encoder.", "embedding."];

    /// <summary>The component that a name begins with, its dot included; null where there is none.</summary>
    public static string? ComponentOf(string name) => Components.FirstOrDefault(component => name.StartsWith(component, StringComparison.Ordinal)) is { } found
        && !(found == Transformer && LanguageBodies.Any(body => name.AsSpan(Transformer.Length).StartsWith(body, StringComparison.Ordinal))) ? found : null;

    /// <summary>Takes a name apart. The module keeps the component: several models share one file.</summary>
    public static FactorKey Parse(TensorInfo tensor)
    {
        if (ComponentOf(tensor.Name) is not { } component) return new(tensor, FactorRole.Unknown, new(tensor.Name));
        string rest = tensor.Name[component.Length..];
        if (rest.StartsWith(Peft.PeftKey.Prefix, StringComparison.Ordinal)) rest = rest[Peft.PeftKey.Prefix.Length..];
        string[] parts = rest.Split('.');
        int at = Array.FindLastIndex(parts, part => part is "lora_A" or "lora_B" or "lora_magnitude_vector" or "alpha");
        if (at < 1) return Unknown();
        // The adapter's own name may stand behind the factor's: lora_A.default.weight.
        return (parts[at], parts[(at + 1)..]) switch
        {
            ("alpha", []) => Key(FactorRole.Alpha),
            ("lora_A", ["weight"] or [_, "weight"]) => Key(FactorRole.Down),
            ("lora_B", ["weight"] or [_, "weight"]) => Key(FactorRole.Up),
            ("lora_B", ["bias"] or [_, "bias"]) => Key(FactorRole.Bias),
            ("lora_magnitude_vector", [] or [_] or [_, "weight"]) => Key(FactorRole.Magnitude),
            _ => Unknown(),
        };

        FactorKey Key(FactorRole role) => new(tensor, role, new(component + string.Join('.', parts[..at])));

        FactorKey Unknown() => new(tensor, FactorRole.Unknown, new(tensor.Name));
    }
}
