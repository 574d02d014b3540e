using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Kohya.Families;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Kohya;

/// <summary>Keys to the canonical adapter: tensors gathered by module, each module read by the family that its endings tell.</summary>
internal sealed class KohyaReader(AdapterSource source, string layout)
{
    // What LyCORIS adds to norms: the epsilon of F32.
    private const double DoraEpsilon = 1.0 / (1 << 23);
    private const string Bundle = "bundle_emb.";

    private readonly KohyaContext _context = new(source.Tensors.Path, new(source.Tensors), source.Options, layout == KohyaLayout.LycorisName);

    /// <exception cref="InvalidAdapterException">A tensor has no place, or shapes, kinds or alpha make no sense.</exception>
    /// <exception cref="UnsupportedException">A tensor belongs to a kind that is not read.</exception>
    public Adapter Read()
    {
        if (source.Tensors.Tensors.FirstOrDefault(tensor => tensor.Name.EndsWith(".lora_A.weight", StringComparison.Ordinal) || tensor.Name.EndsWith(".lora_B.weight", StringComparison.Ordinal)) is { } foreign)
        {
            throw new UnsupportedException($"{Printable.Text(_context.File)}: '{Printable.Text(foreign.Name)}' is one of PEFT's factors beside kohya's, which is not read", _context.File, foreign.Name);
        }

        List<AdapterDelta> deltas = [];
        List<Replacement> replacements = [];
        foreach (KohyaTensors module in Modules())
        {
            IKohyaFamily[] families = [.. KohyaFamilyList.All.Where(family => family.Owns(module))];
            if (families.Where(family => family.IsOfWeight).Skip(1).Any())
            {
                throw module.Wrong($"has tensors of {string.Join(" and ", families.Where(family => family.IsOfWeight).Select(family => family.Name))}; expected one kind of update");
            }

            foreach (IKohyaFamily family in families)
            {
                deltas.AddRange(Decomposed(module, family, [.. family.Read(module)]));
                replacements.AddRange(family.Replace(module));
            }

            if (families.Length > 0) NoteStray(module);
        }

        ClaimBundle();
        _context.Ledger.Close();
        NoteAlphas();
        return new Adapter(source.Path, layout, source)
        {
            Deltas = deltas,
            Replacements = replacements,
            Metadata = source.Tensors.Metadata,
            Issues = _context.Issues,
        };
    }

    /// <summary>The modules, in the order of their first tensors.</summary>
    private List<KohyaTensors> Modules()
    {
        Dictionary<ModuleName, KohyaTensors> byName = [];
        List<KohyaTensors> modules = [];
        foreach (TensorInfo tensor in source.Tensors.Tensors)
        {
            if (KohyaKey.Parse(tensor) is not { Ending: { } ending } key) continue;
            if (!byName.TryGetValue(key.Module, out KohyaTensors? module)) modules.Add(byName[key.Module] = module = new(key.Module, _context));
            module.Add(ending, tensor);
        }

        return modules;
    }

    /// <summary>The update of the weight within its magnitudes, where the file has such.</summary>
    private AdapterDelta[] Decomposed(KohyaTensors module, IKohyaFamily family, AdapterDelta[] updates)
    {
        if (!family.IsOfWeight || updates.Length == 0 || !module.Has(KohyaKey.Magnitude)) return updates;
        if (!family.CanBeDecomposed || updates.Length > 1)
        {
            throw module.Unread($"has dora_scale beside {string.Join(" and ", updates.Select(update => update.Kind))}; DoRA is read around one update of LoRA, LoHa or LoKr");
        }

        return [new MagnitudeDelta(updates[0], module.Require(KohyaKey.Magnitude), MagnitudeAxis.FromShape, source.Options.DoraNorm, DoraEpsilon)];
    }

    /// <summary>A scale that the kind has no use for.</summary>
    private void NoteStray(KohyaTensors module)
    {
        if (module.Left.ToArray() is not [KohyaKey.Alpha]) return;
        module.Find(KohyaKey.Alpha);
        _context.Issues.Add(new("stray_alpha", IssueSeverity.Info, "alpha beside a kind of update that has none: it is not used", module.Name.Path));
    }

    private void ClaimBundle()
    {
        TensorInfo[] packed = [.. source.Tensors.Tensors.Where(tensor => tensor.Name.StartsWith(Bundle, StringComparison.Ordinal))];
        if (packed.Length == 0) return;
        Array.ForEach(packed, tensor => _context.Ledger.Claim(tensor));
        _context.Issues.Add(new("bundle_emb", IssueSeverity.Warning,
            $"{packed.Length} tensors are embeddings packed into the file (bundle_emb), which belong to prompts and not to the model: they are not merged", packed[0].Name));
    }

    private void NoteAlphas()
    {
        if (_context.WithoutAlpha is { Count: > 0 } without)
        {
            _context.Issues.Add(new("missing_alpha", IssueSeverity.Info, $"{without.Count} of {_context.Scaled.Count} modules have no alpha: their scale is 1", without[0].Path));
        }

        if (_context.Squared.Count == 0) return;
        _context.Issues.Add(new("lycoris_scale", IssueSeverity.Warning,
            $"alpha / rank is applied twice to {_context.Squared.Count} modules of LoHa or LoKr, as LyCORIS merges them; LyCORIS in training and other programs apply it once", _context.Squared[0].Path));
    }
}
