using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts;

/// <summary>What keys that no layout reads look like, so that the message can say whose they are.</summary>
internal static class ForeignKeys
{
    private static readonly (string Mark, string Whose)[] Marks =
    [
        (".lora_down.", "kohya (lora_down / lora_up) with other endings than .weight"),
        (".lora_up.", "kohya (lora_down / lora_up) with other endings than .weight"),
        (".hada_w", "LyCORIS (hada_*)"),
        (".lokr_w", "LyCORIS (lokr_*)"),
        (".lora.down.", "diffusers (lora.down / lora.up)"),
        (".lora.up.", "diffusers (lora.down / lora.up)"),
        ("_lora.down.", "diffusers' attention processors (to_q_lora.down)"),
        (":down", "cloneofsimo's lora (unet:0:down)"),
    ];

    private static readonly string[] DiffusersModels = ["unet.", "transformer.", "text_encoder.", "text_encoder_2.", "text_encoder_3."];

    /// <summary>The layout the keys look like; null where they remind of nothing.</summary>
    public static string? Describe(ITensorSource source)
    {
        foreach (string name in source.Tensors.Select(tensor => tensor.Name))
        {
            if (name.EndsWith(".lora_a", StringComparison.Ordinal) || name.EndsWith(".lora_b", StringComparison.Ordinal))
            {
                return "MLX (lora_a / lora_b)";
            }

            foreach ((string mark, string whose) in Marks)
            {
                if (name.Contains(mark, StringComparison.Ordinal)) return whose;
            }

            if (name.Contains(".lora_A.", StringComparison.Ordinal)
                && DiffusersModels.Any(model => name.StartsWith(model, StringComparison.Ordinal)))
            {
                return "diffusers (unet.…lora_A.weight)";
            }
        }

        return null;
    }
}
