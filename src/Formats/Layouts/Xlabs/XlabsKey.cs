using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts.Factors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Xlabs;

/// <summary>The attention processors of XLabs' FLUX trainer: <c>double_blocks.0.processor.qkv_lora1.down.weight</c>. See spec/layouts/xlabs.md, "Keys".</summary>
internal static class XlabsKey
{
    private const string Single = "single_blocks";

    /// <summary>Takes a name apart; the module has the original model's name, that of single blocks' q, k and v as <see cref="QkvOf"/> has it.</summary>
    public static FactorKey Parse(TensorInfo tensor)
    {
        (FactorRole role, string? module) = tensor.Name.Split('.') switch
        {
            ["double_blocks" or Single, _, "processor", _, "down", "weight"] name => (FactorRole.Down, ModuleOf(name)),
            ["double_blocks" or Single, _, "processor", _, "up", "weight"] name => (FactorRole.Up, ModuleOf(name)),
            _ => (FactorRole.Unknown, null),
        };
        return module is null ? new(tensor, FactorRole.Unknown, new(tensor.Name)) : new(tensor, role, new(module));
    }

    /// <summary>Whether a module is q, k and v of a single block: the first rows of its linear1, of which no name of the original's is.</summary>
    public static bool IsQkv(ModuleName module) => module.Path.StartsWith(Single, StringComparison.Ordinal) && module.Leaf == "qkv";

    /// <summary>diffusers' names of q, k and v of a single block.</summary>
    public static IReadOnlyList<ModuleName> QkvOf(ModuleName module)
    {
        string number = module.Path.Split('.')[1];
        return [.. ((string[])["to_q", "to_k", "to_v"]).Select(part => new ModuleName($"single_transformer_blocks.{number}.attn.{part}"))];
    }

    private static string? ModuleOf(string[] name)
    {
        string? within = (name[0], name[3]) switch
        {
            (Single, "qkv_lora") => "qkv",
            (Single, "proj_lora") => "linear2",
            (Single, _) => null,
            (_, "qkv_lora1") => "img_attn.qkv",
            (_, "proj_lora1") => "img_attn.proj",
            (_, "qkv_lora2") => "txt_attn.qkv",
            (_, "proj_lora2") => "txt_attn.proj",
            _ => null,
        };
        return within is null ? null : $"{name[0]}.{name[1]}.{within}";
    }
}
