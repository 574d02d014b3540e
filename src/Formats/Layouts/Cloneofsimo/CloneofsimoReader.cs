using System.Globalization;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Factors;

namespace LoraKit.Formats.Layouts.Cloneofsimo;

/// <summary>Keys to the canonical adapter: pairs by their number, vectors of tokens as replacements.</summary>
internal sealed class CloneofsimoReader(AdapterSource source)
{
    private readonly KeyLedger _ledger = new(source.Tensors);

    private string File => source.Tensors.Path;

    /// <exception cref="InvalidAdapterException">A tensor has no place, or its rank is not the metadata's.</exception>
    public Adapter Read()
    {
        FactorKey[] keys = [.. source.Tensors.Tensors.Select(CloneofsimoKey.Parse)];
        List<AdapterDelta> deltas = [.. FactorPair.Group(File, keys).Select(Delta).OfType<AdapterDelta>()];
        Replacement[] tokens = [.. keys.Where(IsToken).Select(key => new Replacement(new(new(""), key.Tensor.Name), _ledger.Claim(key.Tensor), null, CloneofsimoLayout.Token))];
        _ledger.Close();
        string[] parts = [.. deltas.Select(delta => CloneofsimoKey.PartOf(delta.Target.Module.Path)!).Distinct()];
        return new Adapter(source.Path, "cloneofsimo", source)
        {
            Deltas = deltas,
            Replacements = tokens,
            Metadata = source.Tensors.Metadata,
            Issues = [.. parts.Select(Unplaced)],
        };
    }

    private LowRankDelta? Delta(FactorPair module)
    {
        if (module.Whole(_ledger) is not var (down, up)) return null;
        if (source.Tensors.Metadata.TryGetValue(CloneofsimoKey.RankOf(module.Module), out string? stated)
            && down.Shape.Rank > 0 && stated != down.Shape[0].ToString(CultureInfo.InvariantCulture))
        {
            throw new InvalidAdapterException(
                $"{Printable.Text(File)}: module '{Printable.Text(module.Module.Path)}' has A {down.Shape}, so rank {down.Shape[0]}, but the metadata says {Printable.Text(stated)}",
                File, down.Name);
        }

        double rank = down.Shape.Rank > 0 ? down.Shape[0] : 1;
        return new LowRankDelta(new(module.Module, "weight"), _ledger.Claim(down), _ledger.Claim(up), 1, rank, WeightOrientation.OutIn);
    }

    private bool IsToken(FactorKey key) => key.Role == FactorRole.Unknown
        && source.Tensors.Metadata.TryGetValue(key.Tensor.Name, out string? kind) && kind == CloneofsimoKey.Embedding;

    private AdapterIssue Unplaced(string part)
    {
        string classes = source.Tensors.Metadata.TryGetValue(part, out string? list) ? $"those of the classes {Printable.Text(list)}" : "classes that the file does not name";
        return new("unplaced_modules", IssueSeverity.Warning,
            $"the modules of '{Printable.Text(part)}' are numbered in the order in which the model's code holds them ({classes}); the file does not say their names, so they cannot be merged as they are", part);
    }
}
