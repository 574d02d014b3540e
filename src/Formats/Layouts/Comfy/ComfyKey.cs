using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts.Kohya;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Comfy;

/// <summary>
/// Names with dots and any ending that ComfyUI takes: kohya's and LyCORIS' own, and PEFT's in their place. See spec/layouts/comfy.md, "Keys".
/// </summary>
internal static class ComfyKey
{
    /// <summary>PEFT's factors.</summary>
    public const string A = "lora_A.weight", B = "lora_B.weight";

    private const string NormScale = "_norm.scale";

    /// <summary>What ComfyUI puts before the names of a pipeline's models.</summary>
    private static readonly string[] Prefixes =
        ["diffusion_model.", "text_encoders.", "model.diffusion_model.", "clip_l.transformer.", "clip_g.transformer.", "t5xxl.transformer."];

    // The blocks of denoisers, in files that have nothing before them. Language models' are below their body's name.
    private static readonly string[] Blocks =
        ["double_blocks.", "single_blocks.", "transformer_blocks.", "single_transformer_blocks.", "joint_blocks.", "blocks.", "noise_refiner.", "context_refiner."];

    /// <summary>Whether a module's name is a denoiser's or a text encoder's as ComfyUI has it.</summary>
    public static bool IsName(ModuleName module) => Begins(module, Prefixes) || Begins(module, Blocks);

    /// <summary>Whether a file is of this layout: a tensor of an update, by its ending, has such a name.</summary>
    public static bool IsOf(AdapterSource source) =>
        source.Config?.Json.ContainsKey("peft_type") != true
        && source.Tensors.Tensors.Any(tensor => Parse(tensor) is { Ending: { } ending, Module: var module } && IsName(module) && KohyaKey.IsMark(ending));

    /// <summary>Takes a name apart; an ending of PEFT's becomes the one that kohya has for the same.</summary>
    public static KohyaKey Parse(TensorInfo tensor)
    {
        // The scale of a norm is the model's own parameter, and given in full: FLUX's control adapters.
        if (tensor.Name.EndsWith(NormScale, StringComparison.Ordinal)) return new(tensor, new(tensor.Name), "set_weight");
        string[] parts = tensor.Name.Split('.');
        int at = Array.FindLastIndex(parts, part => part is "lora_A" or "lora_B" or "lora_magnitude_vector" or "magnitude");
        // An adapter's own name may stand behind the factor's: lora_A.default.weight.
        string? ending = at < 1 ? null : (parts[at], parts[(at + 1)..]) switch
        {
            ("lora_A", [] or ["weight"] or [_, "weight"]) => KohyaKey.Down,
            ("lora_B", [] or ["weight"] or [_, "weight"]) => KohyaKey.Up,
            ("lora_B", ["bias"] or [_, "bias"]) => KohyaKey.UpBias,
            ("lora_magnitude_vector", [] or [_] or [_, "weight"]) or ("magnitude", []) => KohyaKey.Magnitude,
            _ => null,
        };
        return ending is null ? KohyaKey.Parse(tensor) : new(tensor, new(string.Join('.', parts[..at])), ending);
    }

    private static bool Begins(ModuleName module, string[] starts) => starts.Any(start => module.Path.StartsWith(start, StringComparison.Ordinal));
}
