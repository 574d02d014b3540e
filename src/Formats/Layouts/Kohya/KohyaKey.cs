using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts.Kohya.Families;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Kohya;

/// <summary>A tensor's name, taken apart: everything before the ending is the module, as it stands. See spec/layouts/kohya.md, "Keys".</summary>
/// <param name="Tensor">The tensor.</param>
/// <param name="Module">The module, in the file's own spelling.</param>
/// <param name="Ending">What it is, without the dot: <c>lora_down.weight</c>; null where nothing is known.</param>
internal sealed record KohyaKey(TensorInfo Tensor, ModuleName Module, string? Ending)
{
    public const string Down = "lora_down.weight";
    public const string Up = "lora_up.weight";
    public const string Mid = "lora_mid.weight";
    public const string Alpha = "alpha";
    public const string Magnitude = "dora_scale";

    /// <summary>Endings that tensors of several families have.</summary>
    private static readonly string[] Common = [Alpha, Magnitude, "scalar", "scale"];

    // The longest first: a module of IA³ ends in .weight alone.
    private static readonly string[] Endings =
        [.. KohyaFamilyList.All.SelectMany(family => family.Endings).Concat(Common).Distinct().OrderByDescending(ending => ending.Length)];

    /// <summary>Takes a name apart.</summary>
    public static KohyaKey Parse(TensorInfo tensor)
    {
        string name = tensor.Name;
        string? ending = Endings.FirstOrDefault(known => name.Length > known.Length + 1 && name[^(known.Length + 1)] == '.' && name.EndsWith(known, StringComparison.Ordinal));
        return ending is null ? new(tensor, new(name), null) : new(tensor, new(name[..^(ending.Length + 1)]), ending);
    }
}
