using LoraKit.Formats.Layouts.Diffusers;
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
        ("lora_controlnet", "Stability AI's ControlLoRA (a ControlNet, and no update of a model)"),
        ("ip_adapter_double_stream_", "XLabs' IP-Adapter of FLUX (layers of its own, and no update of a model)"),
        (".processor.qkv_lora", "XLabs' FLUX (processor.qkv_lora1.down)"),
        (".lora.down.", "diffusers (lora.down / lora.up)"),
        (".lora.up.", "diffusers (lora.down / lora.up)"),
        ("_lora.down.", "diffusers' attention processors (to_q_lora.down)"),
        (":down", "cloneofsimo's lora (unet:0:down)"),
    ];

    // What PEFT's factors stand behind in the files of others.
    private static readonly (string Start, string Whose)[] Models =
    [
        ("diffusion_model.", "ComfyUI (diffusion_model.…lora_A.weight)"),
        ("text_encoders.", "ComfyUI (text_encoders.…lora_A.weight)"),
        ("double_blocks.", "Black Forest Labs' FLUX (double_blocks.…lora_A.weight)"),
        ("single_blocks.", "Black Forest Labs' FLUX (single_blocks.…lora_A.weight)"),
        ("transformer_blocks.", "a diffusers model without its component's name (transformer_blocks.…lora_A.weight)"),
        ("single_transformer_blocks.", "a diffusers model without its component's name (single_transformer_blocks.…lora_A.weight)"),
    ];

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

            if (!name.Contains(".lora_A.", StringComparison.Ordinal)) continue;
            if (DiffusersKey.ComponentOf(name) is not null) return "diffusers (unet.…lora_A.weight)";
            foreach ((string start, string whose) in Models)
            {
                if (name.StartsWith(start, StringComparison.Ordinal)) return whose;
            }
        }

        return null;
    }
}
