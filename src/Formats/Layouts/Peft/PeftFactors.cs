using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>The factors of one module.</summary>
internal sealed class PeftFactors
{
    private readonly Dictionary<PeftRole, TensorInfo> _tensors = [];

    private PeftFactors(ModuleName module, int depth) => (Module, Depth) = (module, depth);

    public ModuleName Module { get; }

    /// <summary>How many wrappers lie around these factors' own; 0 but where several wrap one module.</summary>
    public int Depth { get; }

    /// <summary>Whether it is the output projection of an nn.MultiheadAttention.</summary>
    public bool IsAttentionOutput { get; private init; }

    /// <summary>The module whose rank and alpha count: for an attention's output projection, the attention.</summary>
    public ModuleName Configured => IsAttentionOutput ? new(Module.Path[..^(PeftKey.OutputProjection.Length + 1)]) : Module;

    public TensorInfo? this[PeftRole role] => _tensors.GetValueOrDefault(role);

    /// <summary>The modules with factors, in the order of their first tensors; a module once for each wrapper.</summary>
    /// <exception cref="InvalidAdapterException">Two tensors are the same factor in two spellings.</exception>
    public static IReadOnlyList<PeftFactors> Group(string file, IEnumerable<PeftKey> keys)
    {
        Dictionary<(ModuleName, int), PeftFactors> byName = [];
        List<PeftFactors> modules = [];
        foreach (PeftKey key in keys)
        {
            if (!key.IsFactor) continue;
            if (!byName.TryGetValue((key.Module, key.Depth), out PeftFactors? module))
            {
                modules.Add(byName[(key.Module, key.Depth)] = module = new PeftFactors(key.Module, key.Depth) { IsAttentionOutput = key.IsAttentionOutput });
            }

            if (module._tensors.TryAdd(key.Role, key.Tensor)) continue;
            throw new InvalidAdapterException(
                $"{Printable.Text(file)}: '{Printable.Text(module[key.Role]!.Name)}' and '{Printable.Text(key.Tensor.Name)}' are the "
                + "same factor of module "
                + $"'{Printable.Text(key.Module.Path)}'; expected one of them", file, key.Tensor.Name);
        }

        foreach (PeftFactors module in modules)
        {
            TensorInfo? embedding = module[PeftRole.EmbeddingA] ?? module[PeftRole.EmbeddingB];
            if (embedding is not null && (module[PeftRole.LoraA] ?? module[PeftRole.LoraB]) is { } linear)
            {
                throw new InvalidAdapterException(
                    $"{Printable.Text(file)}: module '{Printable.Text(module.Module.Path)}' has the factors of a linear layer and of "
                    + "an embedding; expected one kind",
                    file, linear.Name);
            }
        }

        return modules;
    }

    /// <summary>Both factors of a kind; where there is only one, it is left to the ledger with a note, and null is returned.</summary>
    public (TensorInfo A, TensorInfo B)? Pair(PeftRole a, PeftRole b, KeyLedger ledger)
    {
        (TensorInfo? one, TensorInfo? other) = (this[a], this[b]);
        if (one is not null && other is not null) return (one, other);
        if ((one ?? other) is { } half) ledger.Leave(half, one is null ? "B without its A" : "A without its B");
        return null;
    }
}
