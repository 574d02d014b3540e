using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts.Factors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.DiffusersOld;

/// <summary>The three spellings before diffusers took PEFT's. See spec/layouts/diffusers-old.md, "Keys".</summary>
internal static class DiffusersOldKey
{
    /// <summary>What the models of language begin with; their layers are named and written otherwise than the others'.</summary>
    public const string TextEncoder = "text_encoder";

    private const string Processor = "processor";

    // Attention processors held the factors beside the projection, under a name of their own.
    private static readonly Dictionary<string, (string Module, string OfText)> Projections = new(StringComparer.Ordinal)
    {
        ["to_q_lora"] = ("to_q", "q_proj"),
        ["to_k_lora"] = ("to_k", "k_proj"),
        ["to_v_lora"] = ("to_v", "v_proj"),
        ["to_out_lora"] = ("to_out.0", "out_proj"),
        ["add_k_proj_lora"] = ("add_k_proj", "add_k_proj"),
        ["add_v_proj_lora"] = ("add_v_proj", "add_v_proj"),
    };

    /// <summary>Takes a name apart; the module has the name that the model gives it, its component before it where the file says one.</summary>
    public static FactorKey Parse(TensorInfo tensor)
    {
        string[] parts = tensor.Name.Split('.');
        return parts switch
        {
            [_, .., "down", "weight"] => Key(FactorRole.Down, parts[..^2]),
            [_, .., "up", "weight"] => Key(FactorRole.Up, parts[..^2]),
            [_, .., "alpha"] => Key(FactorRole.Alpha, parts[..^1]),
            _ => Unknown(),
        };

        FactorKey Key(FactorRole role, string[] path)
        {
            bool isText = path[0].StartsWith(TextEncoder, StringComparison.Ordinal);
            string[]? module = path switch
            {
                [.. var of, "lora" or "lora_linear_layer"] => of,
                [.. var of, var leaf] when Projections.TryGetValue(leaf, out var projection) => [.. of, isText ? projection.OfText : projection.Module],
                _ => null,
            };
            return module is null or [] ? Unknown() : new(tensor, role, new ModuleName(string.Join('.', module.Where(part => part != Processor))));
        }

        FactorKey Unknown() => new(tensor, FactorRole.Unknown, new ModuleName(tensor.Name));
    }

    /// <summary>What the names of a module's tensors begin with, in the last of these spellings.</summary>
    public static string Stem(ModuleName module) =>
        module.Path + (module.Path.StartsWith(TextEncoder, StringComparison.Ordinal) ? ".lora_linear_layer" : ".lora");
}
