using System.Text.Json;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>
/// MiSS, and Bone as it was called before: one block, [r, out], of the mini form [r, c], of Bat [out/r, r, r]. <c>init_weights</c> tells
/// the form. See spec/layouts/peft.md, "Methods other than LoRA".
/// </summary>
internal sealed class Miss : IPeftMethod
{
    private readonly string _tensor;

    private Miss(string type, string name, string tensor) => (PeftType, Name, _tensor) = (type, name, tensor);

    /// <summary>As PEFT writes it from 0.18 on.</summary>
    public static Miss Current { get; } = new("MISS", "MiSS", "miss_block");

    /// <summary>As PEFT wrote it before.</summary>
    public static Miss Bone { get; } = new("BONE", "Bone", "bone_block");

    public string PeftType { get; }

    public string Name { get; }

    public IReadOnlyList<string> ModuleTensors => [_tensor];

    public IEnumerable<AdapterDelta> Read(PeftModule module, PeftMethodContext context)
    {
        StoredTensor block = module.Require(_tensor);
        string? form = context.Settings.Json["init_weights"] is { } value && value.GetValueKind() == JsonValueKind.String ? value.GetValue<string>() : null;
        yield return form == "bat" ? new BatDelta(module.Weight, block) : new MissDelta(module.Weight, block, form == "mini");
    }
}
