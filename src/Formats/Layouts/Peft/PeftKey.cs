using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts.Peft.Methods;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>A tensor's name, taken apart.</summary>
/// <param name="Tensor">The tensor.</param>
/// <param name="Role">What it is.</param>
/// <param name="Module">The module in the base model.</param>
/// <param name="Parameter">The parameter, for the roles that name one.</param>
/// <param name="AdapterName">The adapter's name inside the key (<c>lora_A.default.weight</c>), where it was not removed.</param>
/// <param name="HasPrefix">Whether it begins with <c>base_model.model.</c></param>
/// <param name="Note">For ignored and refused tensors: what they belong to.</param>
internal sealed record PeftKey(
    TensorInfo Tensor, PeftRole Role, ModuleName Module, string Parameter, string? AdapterName, bool HasPrefix, string? Note = null)
{
    /// <summary>What every name begins with as PEFT writes it.</summary>
    public const string Prefix = "base_model.model.";

    /// <summary>What the names of tensors that belong to no module begin with.</summary>
    public const string ModelPrefix = "base_model.";

    /// <summary>The module inside nn.MultiheadAttention that PEFT updates beside its own weight.</summary>
    public const string OutputProjection = "out_proj";

    private const string BaseLayer = "base_layer";
    private const string SavedModules = "modules_to_save";
    private const string OriginalModule = "original_module";
    private const string TokenAdapter = "token_adapter";

    /// <summary>How many wrappers lie around the one that a factor belongs to: <c>X.base_layer.lora_A</c> has 1.</summary>
    public int Depth { get; init; }

    /// <summary>Whether it belongs to the output projection of an nn.MultiheadAttention: <c>X.base_layer.out_proj.lora_A</c>.</summary>
    public bool IsAttentionOutput { get; init; }

    /// <summary>Whether it is a factor, or what belongs to one.</summary>
    public bool IsFactor => Role is PeftRole.LoraA or PeftRole.LoraB or PeftRole.LoraBias or PeftRole.EmbeddingA or PeftRole.EmbeddingB
        or PeftRole.Magnitude or PeftRole.Diagonal;

    /// <summary>Takes a name apart; anything that is no known spelling is a plain parameter.</summary>
    /// <param name="tensor">The tensor.</param>
    /// <param name="adapterName">The adapter name that keys of this file carry.</param>
    /// <param name="method">The method whose tensors are taken for such; null for LoRA.</param>
    public static PeftKey Parse(TensorInfo tensor, string adapterName = "default", IPeftMethod? method = null)
    {
        // torch.compile and FSDP put these components between the others.
        string[] parts = [.. tensor.Name.Split('.').Where(part => part is not ("_orig_mod" or "_fsdp_wrapped_module"))];
        if (method is not null && Shared(tensor, method, adapterName) is { } shared) return shared;
        bool hasPrefix = parts is ["base_model", "model", _, ..];
        if (hasPrefix) parts = parts[2..];

        if (method is not null && OfMethod(parts, method, adapterName) is { } own) return own with { Tensor = tensor, HasPrefix = hasPrefix };
        int copy = Array.IndexOf(parts, OriginalModule);
        for (int at = copy >= 0 ? copy : parts.Length - 1; at >= 0; at--)
        {
            ReadOnlySpan<string> module = parts.AsSpan(0, at);
            ReadOnlySpan<string> rest = parts.AsSpan(at + 1);
            if (Tuner(module, parts[at], rest, adapterName) is { } found) return found with { Tensor = tensor, HasPrefix = hasPrefix };
        }

        return Plain(parts) with { Tensor = tensor, HasPrefix = hasPrefix };
    }

    /// <summary>The longest of the method's names that the key ends with, the adapter's name after its first component or not.</summary>
    private static PeftKey? OfMethod(string[] parts, IPeftMethod method, string adapterName)
    {
        foreach (string name in method.ModuleTensors.OrderByDescending(name => name.Length))
        {
            string[] ending = name.Split('.');
            string[] spelt = [ending[0], adapterName, .. ending[1..]];
            foreach (string[] tail in (ReadOnlySpan<string[]>)[ending, spelt])
            {
                if (parts.Length > tail.Length && parts.AsSpan()[^tail.Length..].SequenceEqual(tail)) return Key(PeftRole.MethodTensor, parts.AsSpan()[..^tail.Length], name);
            }
        }

        return null;
    }

    private static PeftKey? Shared(TensorInfo tensor, IPeftMethod method, string adapterName)
    {
        foreach (string name in method.SharedTensors)
        {
            string own = name.EndsWith('*') ? name[..^1] + tensor.Name[(tensor.Name.LastIndexOf('.') + 1)..] : name;
            if (tensor.Name == $"{ModelPrefix}{own}" || tensor.Name == $"{ModelPrefix}{own}.{adapterName}")
            {
                return Key(PeftRole.SharedTensor, [], own) with { Tensor = tensor, HasPrefix = true };
            }
        }

        return null;
    }

    private static PeftKey? Tuner(ReadOnlySpan<string> module, string part, ReadOnlySpan<string> rest, string adapterName)
    {
        switch (part)
        {
            case "lora_A" when rest is [.., "weight"] && rest.Length <= 2: return Factor(PeftRole.LoraA, module, rest[..^1]);
            case "lora_B" when rest is [.., "weight"] && rest.Length <= 2: return Factor(PeftRole.LoraB, module, rest[..^1]);
            case "lora_B" when rest is [.., "bias"] && rest.Length <= 2: return Factor(PeftRole.LoraBias, module, rest[..^1]);
            case "lora_embedding_A" when rest.Length <= 1: return Factor(PeftRole.EmbeddingA, module, rest);
            case "lora_embedding_B" when rest.Length <= 1: return Factor(PeftRole.EmbeddingB, module, rest);
            case "lora_magnitude_vector" when rest.Length <= 1 || rest is [_, "weight"]:
                return Factor(PeftRole.Magnitude, module, rest is [.., "weight"] ? rest[..^1] : rest);
            case "lora_diag" when rest.Length <= 1: return Factor(PeftRole.Diagonal, module, rest);
            case "trainable_tokens_delta" when rest.Length <= 1: return Key(PeftRole.TokenRows, WithoutTokenAdapter(module), "weight", Name(rest));
            case "trainable_tokens_original": return Key(PeftRole.Ignored, module, part, note: "the original rows of trained tokens");
            case "lora_velora_embed": return Key(PeftRole.Ignored, module, part, note: "VeLoRA's training state");
            case "lora_monteclora_sampler": return Key(PeftRole.Ignored, module, part, note: "MonteCLoRA's training state");
            case OriginalModule when rest.Length > 0: return Key(PeftRole.Ignored, module, part, note: "the untrained copy of a module saved in full");
            case SavedModules when rest.Length > 0:
                if (rest.Length > 1 && rest[0] == adapterName) rest = rest[1..];
                return Key(PeftRole.SavedModule, [.. module, .. rest[..^1]], rest[^1]);
            case BaseLayer when rest.Length == 1: return Key(PeftRole.BaseLayer, WithoutTokenAdapter(module), rest[0]);
            default:
                if (rest.Length > 2 || PeftMethods.OfKey(part) is not { } method) return null;
                return Key(PeftRole.Refused, module, part, note: $"{method} ({part})");
        }
    }

    private static PeftKey Factor(PeftRole role, ReadOnlySpan<string> module, ReadOnlySpan<string> infix)
    {
        if (module is [.., BaseLayer, OutputProjection] && module.IndexOf(BaseLayer) == module.Length - 2 && module.Length > 2)
        {
            return Key(role, [.. module[..^2], OutputProjection], "weight", Name(infix)) with { IsAttentionOutput = true };
        }

        // Every wrapper hides its module one base_layer deeper; the base's own names have none of them.
        int depth = module.Length - module.TrimEnd(BaseLayer).Length;
        string[] own = [.. module.ToArray().Where(part => part != BaseLayer)];
        return Key(role, own, "weight", Name(infix)) with { Depth = depth };
    }

    private static PeftKey Plain(ReadOnlySpan<string> parts) =>
        Key(PeftRole.Parameter, parts.IsEmpty ? [] : parts[..^1], parts.IsEmpty ? "" : parts[^1]);

    private static PeftKey Key(
        PeftRole role, ReadOnlySpan<string> module, string parameter, string? adapterName = null, string? note = null) =>
        new(Tensor: null!, role, new ModuleName(string.Join('.', module)), parameter, adapterName, HasPrefix: false, note);

    private static string? Name(ReadOnlySpan<string> infix) => infix.IsEmpty ? null : infix[0];

    private static ReadOnlySpan<string> WithoutTokenAdapter(ReadOnlySpan<string> module) =>
        module is [.., TokenAdapter] ? module[..^1] : module;
}
