using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Factors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Xlabs;

/// <summary>XLabs' LoRA of FLUX.1: pairs of factors in attention processors, without alpha. See spec/layouts/xlabs.md.</summary>
internal sealed class XlabsLayout() : ReadPairsLayout("xlabs", XlabsKey.Parse)
{
    private protected override IEnumerable<AdapterDelta> Deltas(FactorPair module, KeyLedger ledger)
    {
        if (module.Whole(ledger) is not var (down, up)) yield break;
        (StoredTensor a, StoredTensor b) = (ledger.Claim(down), ledger.Claim(up));
        LowRankDelta whole = new(new(module.Module, "weight"), a, b, 1, down.Shape.Rank > 0 ? down.Shape[0] : 1, WeightOrientation.OutIn);
        if (!XlabsKey.IsQkv(module.Module))
        {
            yield return whole;
            yield break;
        }

        // The rows of q, k and v alone: rows of B, with the whole of A.
        IReadOnlyList<ModuleName> parts = XlabsKey.QkvOf(module.Module);
        if (b.Shape[0] % parts.Count != 0)
        {
            throw new InvalidAdapterException($"{Printable.Text(b.File!)}: '{Printable.Text(b.Name)}' is {b.Shape}; expected the rows of q, k and v, as many of each", b.File, b.Name);
        }

        long rows = b.Shape[0] / parts.Count;
        for (int part = 0; part < parts.Count; part++)
        {
            yield return new LowRankDelta(new(parts[part], "weight"), a, new TensorRows(b, part * rows, rows), 1, whole.Alpha, WeightOrientation.OutIn);
        }
    }
}
