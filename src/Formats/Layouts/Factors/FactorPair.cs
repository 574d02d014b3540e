using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Factors;

/// <summary>The tensors of one module.</summary>
internal sealed class FactorPair
{
    private readonly Dictionary<FactorRole, TensorInfo> _tensors = [];

    private FactorPair(ModuleName module) => Module = module;

    public ModuleName Module { get; }

    public TensorInfo? this[FactorRole role] => _tensors.GetValueOrDefault(role);

    /// <summary>The modules, in the order of their first tensors.</summary>
    /// <exception cref="UnsupportedException">A tensor belongs to a kind that is not read.</exception>
    /// <exception cref="InvalidAdapterException">Two tensors are the same factor in two spellings.</exception>
    public static IReadOnlyList<FactorPair> Group(string file, IEnumerable<FactorKey> keys)
    {
        Dictionary<ModuleName, FactorPair> byName = [];
        List<FactorPair> modules = [];
        foreach (FactorKey key in keys.Where(key => key.Role != FactorRole.Unknown))
        {
            if (key.Role == FactorRole.Refused)
            {
                throw new UnsupportedException(
                    $"{Printable.Text(file)}: module '{Printable.Text(key.Module.Path)}' uses {key.Note}, which is not read in this layout", file, key.Tensor.Name);
            }

            if (!byName.TryGetValue(key.Module, out FactorPair? module)) modules.Add(byName[key.Module] = module = new FactorPair(key.Module));
            if (module._tensors.TryAdd(key.Role, key.Tensor)) continue;
            throw new InvalidAdapterException(
                $"{Printable.Text(file)}: '{Printable.Text(module[key.Role]!.Name)}' and '{Printable.Text(key.Tensor.Name)}' are the same tensor of module "
                + $"'{Printable.Text(key.Module.Path)}'; expected one of them", file, key.Tensor.Name);
        }

        return modules;
    }

    /// <summary>Both factors; where one lacks, the module's tensors are left to the ledger with a note, and null is returned.</summary>
    public (TensorInfo Down, TensorInfo Up)? Whole(KeyLedger ledger)
    {
        if (this[FactorRole.Down] is { } down && this[FactorRole.Up] is { } up) return (down, up);
        string missing = this[FactorRole.Up] is not null ? "its A" : this[FactorRole.Down] is not null ? "its B" : "A and B";
        foreach (TensorInfo half in _tensors.Values)
        {
            ledger.Leave(half, $"without {missing}");
        }

        return null;
    }
}
