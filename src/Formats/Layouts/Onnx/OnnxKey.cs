using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts.Factors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Onnx;

/// <summary>The names of a graph's adapter inputs: <c>model.layers.0.attn.q_proj.lora_A.weight</c>. See spec/layouts/onnx.md, "Keys".</summary>
internal static class OnnxKey
{
    public const string Down = ".lora_A.weight";
    public const string Up = ".lora_B.weight";

    /// <summary>Takes a name apart.</summary>
    public static FactorKey Parse(TensorInfo tensor) =>
        Module(tensor.Name, Down) is { } down ? new(tensor, FactorRole.Down, down)
        : Module(tensor.Name, Up) is { } up ? new(tensor, FactorRole.Up, up)
        : new(tensor, FactorRole.Unknown, new(tensor.Name));

    private static ModuleName? Module(string name, string ending) =>
        name.Length > ending.Length && name.EndsWith(ending, StringComparison.Ordinal) ? new(name[..^ending.Length]) : null;
}
