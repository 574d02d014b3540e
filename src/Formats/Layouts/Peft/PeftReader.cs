using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Peft.Methods;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>Keys and configuration to the canonical adapter: updates read, the rest of the file claimed or listed.</summary>
internal sealed class PeftReader
{
    private readonly AdapterSource _source;
    private readonly PeftConfig _config;
    private readonly IReadOnlyList<PeftKey> _keys;
    private readonly KeyLedger _ledger;
    private readonly List<AdapterIssue> _issues = [];

    public PeftReader(AdapterSource source, PeftConfig config, IReadOnlyList<PeftKey> keys)
    {
        _source = source;
        _config = config;
        _keys = keys;
        _ledger = new KeyLedger(source.Tensors);
    }

    private string File => _source.Tensors.Path;

    /// <exception cref="InvalidAdapterException">A tensor has no place, or shapes and configuration contradict each other.</exception>
    /// <exception cref="UnsupportedException">A shape that belongs to a kind that is not read.</exception>
    public Adapter Read()
    {
        IReadOnlyList<PeftFactors> modules = _config.PeftType == "LORA" ? PeftFactors.Group(File, _keys) : [];
        LoraUpdates updates = new(_config, _source.Options, File, new(_config, _source.Options, modules, _ledger, _issues), _ledger);
        List<AdapterDelta> deltas = [.. modules.SelectMany(updates.Of)];
        RefuseNested(modules, deltas);
        List<Replacement> replacements = Replacements(new SavedParameters(_config, modules, _keys.Where(key => key.Role == PeftRole.MethodTensor).Select(key => key.Module)));
        if (PeftMethodList.Of(_config.PeftType) is { } method)
        {
            (List<AdapterDelta> Deltas, List<Replacement> Replacements) read = PeftMethodReader.Read(method, _config, _source.Options, File, _keys, _ledger, _issues);
            deltas.AddRange(read.Deltas);
            replacements.AddRange(read.Replacements);
        }

        ClaimStrays([.. modules.Select(module => module.Module)]);
        _ledger.Close();
        if (deltas.Count == 0 && replacements.Count == 0)
        {
            throw new InvalidAdapterException(
                $"{Printable.Text(File)}: holds no update and no replacement; expected the tensors of a trained adapter", File);
        }

        _issues.AddRange(PeftIssues.Of(_config, _keys, modules));
        return new Adapter(_source.Path, "peft", _source)
        {
            Deltas = deltas,
            Replacements = replacements,
            LayerReplication = _config.LayerReplication,
            Config = _source.Config,
            Metadata = _source.Tensors.Metadata,
            Issues = _issues,
        };
    }

    /// <summary>Adapters inside each other add up where each update is its own; one that depends on the weight would see what the inner ones made of it.</summary>
    private void RefuseNested(IReadOnlyList<PeftFactors> modules, List<AdapterDelta> deltas)
    {
        HashSet<ModuleName> nested = [.. modules.Where(module => module.Depth > 0).Select(module => module.Module)];
        if (deltas.Find(delta => delta.NeedsBase && nested.Contains(delta.Target.Module)) is not { } unfit) return;
        throw new UnsupportedException(
            $"{Printable.Text(File)}: module '{Printable.Text(unfit.Target.Module.Path)}' has adapters inside each other (base_layer), one of which depends on the weight: "
            + "what the inner ones leave is not the base; merge them one after the other", File, unfit.Tensors[0].Name);
    }

    private List<Replacement> Replacements(SavedParameters saved)
    {
        Dictionary<ParameterName, PeftKey> plain = [];
        List<Replacement> replacements = [];
        // PEFT's second copies come last, wherever they lie in the file.
        foreach (PeftKey key in _keys.OrderBy(key => key.Role == PeftRole.SavedModule))
        {
            ParameterName target = new(key.Module, key.Parameter);
            bool isToken = key.Role == PeftRole.TokenRows;
            if ((isToken ? "trainable_tokens" : saved.Reason(key)) is not { } reason)
            {
                if (key.Role is PeftRole.Parameter or PeftRole.BaseLayer) _ledger.Leave(key.Tensor, saved.WhyNot(key));
                continue;
            }

            // Rows and the whole of one embedding may both be there; otherwise one parameter has one spelling.
            ParameterName slot = isToken ? new(key.Module, "(rows)") : target;
            if (!plain.TryAdd(slot, key))
            {
                ClaimCopy(plain[slot], key);
                continue;
            }

            replacements.Add(new Replacement(target, _ledger.Claim(key.Tensor), isToken ? _config.TokenRows.Of(key.Module) : null, reason));
        }

        return replacements;
    }

    /// <summary>
    /// With <c>bias = all</c> and with resized embeddings PEFT writes a saved module's parameter twice, once with and once without the
    /// infix, and loads the one without.
    /// </summary>
    private void ClaimCopy(PeftKey first, PeftKey second)
    {
        bool isCopy = first.Role == PeftRole.Parameter && second.Role == PeftRole.SavedModule
            && first.Tensor.DType == second.Tensor.DType && first.Tensor.Shape == second.Tensor.Shape;
        if (!isCopy)
        {
            throw new InvalidAdapterException(
                $"{Printable.Text(File)}: '{Printable.Text(first.Tensor.Name)}' and '{Printable.Text(second.Tensor.Name)}' are the "
                + "same parameter; expected one of them",
                File, second.Tensor.Name);
        }

        _ledger.Claim(second.Tensor);
        _issues.Add(new("duplicate_tensor", IssueSeverity.Info,
            $"'{Printable.Text(second.Tensor.Name)}' is a second copy of '{Printable.Text(first.Tensor.Name)}' and is not "
            + "used", second.Tensor.Name));
    }

    private void ClaimStrays(HashSet<ModuleName> updated)
    {
        foreach (PeftKey key in _keys)
        {
            if (key.Role == PeftRole.Ignored) _ledger.Claim(key.Tensor);
            if (key is not { Role: PeftRole.Parameter, Parameter: "alpha" } || key.Tensor.Shape.ElementCount != 1) continue;
            if (key.Module.Path.Length > 0 && !updated.Contains(key.Module)) continue;
            _ledger.Claim(key.Tensor);
            _issues.Add(new("stray_tensor", IssueSeverity.Warning,
                $"'{Printable.Text(key.Tensor.Name)}' is no tensor of PEFT's and is not used; alpha is the "
                + "configuration's", key.Tensor.Name));
        }
    }
}
