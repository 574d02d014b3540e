using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Kohya;

/// <summary>Keys to the canonical adapter: factors paired and scaled, a Tucker core folded, the rest refused by name or listed.</summary>
internal sealed class KohyaReader(AdapterSource source)
{
    private readonly KeyLedger _ledger = new(source.Tensors);
    private readonly List<AdapterIssue> _issues = [];

    private string File => source.Tensors.Path;

    /// <exception cref="InvalidAdapterException">A tensor has no place, or shapes or alpha make no sense.</exception>
    /// <exception cref="UnsupportedException">A tensor belongs to a kind that is not read.</exception>
    public Adapter Read()
    {
        KohyaKey[] keys = [.. source.Tensors.Tensors.Select(KohyaKey.Parse)];
        if (keys.FirstOrDefault(key => key.Role == KohyaRole.Refused) is { } refused)
        {
            throw new UnsupportedException(
                $"{Printable.Text(File)}: module '{Printable.Text(refused.Module.Path)}' uses {refused.Note}", File, refused.Tensor.Name);
        }

        IReadOnlyList<KohyaFactors> modules = KohyaFactors.Group(keys);
        List<AdapterDelta> deltas = [.. modules.Select(Delta).OfType<AdapterDelta>()];
        _ledger.Close();
        int without = modules.Count(module => module[KohyaRole.Alpha] is null);
        if (without > 0)
        {
            _issues.Add(new("missing_alpha", IssueSeverity.Info,
                $"{without} of {modules.Count} modules have no alpha: their scale is 1", modules.First(module => module[KohyaRole.Alpha] is null).Module.Path));
        }

        return new Adapter(source.Path, KohyaLayout.LayoutName, source) { Deltas = deltas, Metadata = source.Tensors.Metadata, Issues = _issues };
    }

    private LowRankDelta? Delta(KohyaFactors module)
    {
        if (module[KohyaRole.Down] is not { } down || module[KohyaRole.Up] is not { } up)
        {
            string missing = module[KohyaRole.Up] is not null ? "lora_down" : module[KohyaRole.Down] is not null ? "lora_up" : "either";
            foreach (KohyaRole role in (ReadOnlySpan<KohyaRole>)[KohyaRole.Down, KohyaRole.Up, KohyaRole.Mid, KohyaRole.Alpha])
            {
                if (module[role] is { } half) _ledger.Leave(half, $"of kohya's lora_down and lora_up its module has not {missing}");
            }

            return null;
        }

        ParameterName target = new(module.Module, "weight");
        TensorValue stored = _ledger.Claim(down);
        AdapterDelta.RequireValues(target, stored);
        TensorValue folded = module[KohyaRole.Mid] is { } mid ? TuckerDown.Of(target, stored, _ledger.Claim(mid)) : stored;
        double rank = down.Shape.Rank > 0 ? down.Shape[0] : 1;
        TensorValue? stated = module[KohyaRole.Alpha] is { } scalar ? _ledger.Claim(scalar) : null;
        double alpha = stated is null ? rank : Alpha(module.Module, stated, rank);
        return new LowRankDelta(target, folded, _ledger.Claim(up), alpha / rank, alpha, WeightOrientation.OutIn) { AlphaTensor = stated };
    }

    private double Alpha(ModuleName module, TensorValue stated, double rank)
    {
        double alpha = KohyaAlpha.Read(module, stated);
        if (alpha != 0) return alpha;
        _issues.Add(new("zero_alpha", IssueSeverity.Warning,
            "alpha is 0, which means the rank to sd-scripts (scale 1) and nothing at all to others; read as sd-scripts does", module.Path));
        return rank;
    }
}
