using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Kohya;

/// <summary>The tensors of one module.</summary>
internal sealed class KohyaFactors(ModuleName module)
{
    private readonly Dictionary<KohyaRole, TensorInfo> _tensors = [];

    public ModuleName Module { get; } = module;

    public TensorInfo? this[KohyaRole role] => _tensors.GetValueOrDefault(role);

    /// <summary>The modules, in the order of their first tensors.</summary>
    public static IReadOnlyList<KohyaFactors> Group(IEnumerable<KohyaKey> keys)
    {
        Dictionary<ModuleName, KohyaFactors> byName = [];
        List<KohyaFactors> modules = [];
        foreach (KohyaKey key in keys.Where(key => key.Role is not (KohyaRole.Unknown or KohyaRole.Refused)))
        {
            if (!byName.TryGetValue(key.Module, out KohyaFactors? module)) modules.Add(byName[key.Module] = module = new KohyaFactors(key.Module));
            module._tensors.Add(key.Role, key.Tensor);
        }

        return modules;
    }
}
