using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>The tensors of a method by module, and what they come to.</summary>
internal static class PeftMethodReader
{
    public static (List<AdapterDelta> Deltas, List<Replacement> Replacements) Read(
        IPeftMethod method, PeftConfig config, AdapterReadOptions options, string file, IReadOnlyList<PeftKey> keys, KeyLedger ledger, List<AdapterIssue> issues)
    {
        Dictionary<ModuleName, PeftModule> byName = [];
        List<PeftModule> modules = [];
        Dictionary<string, StoredTensor> shared = new(StringComparer.Ordinal);
        foreach (PeftKey key in keys)
        {
            if (key.Role == PeftRole.SharedTensor) shared.Add(key.Parameter, ledger.Claim(key.Tensor));
            if (key.Role != PeftRole.MethodTensor) continue;
            if (!byName.TryGetValue(key.Module, out PeftModule? module)) modules.Add(byName[key.Module] = module = new PeftModule(key.Module, file, ledger));
            module.Add(key.Parameter, key.Tensor);
        }

        PeftMethodContext context = new(config, options, modules) { Shared = shared, Issues = issues };
        method.Require(context);
        List<AdapterDelta> deltas = [.. modules.SelectMany(module => method.Read(module, context))];
        return (deltas, [.. modules.SelectMany(module => method.Replace(module, context))]);
    }
}
