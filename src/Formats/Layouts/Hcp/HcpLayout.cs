using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts.Factors;
using LoraKit.Formats.Layouts.Kohya;

namespace LoraKit.Formats.Layouts.Hcp;

/// <summary>HCP-Diffusion's LoRA: one file for each model of the pipeline, named as diffusers does. Its alpha is the multiplier itself. See spec/layouts/hcp.md.</summary>
internal sealed class HcpLayout() : ReadPairsLayout("hcp", HcpKey.Parse)
{
    private protected override IEnumerable<AdapterDelta> Deltas(FactorPair module, KeyLedger ledger)
    {
        if (module.Whole(ledger) is not var (down, up)) yield break;
        // HCP divides by the rank when it trains, and saves the quotient.
        double scale = module[FactorRole.Alpha] is { } stated ? KohyaAlpha.Read(module.Module, ledger.Claim(stated)) : 1;
        double rank = down.Shape.Rank > 0 ? down.Shape[0] : 1;
        yield return new LowRankDelta(new(module.Module, "weight"), ledger.Claim(down), ledger.Claim(up), scale, scale * rank, WeightOrientation.OutIn);
        if (module[FactorRole.Bias] is { } bias) yield return new DenseDelta(new(module.Module, "bias"), ledger.Claim(bias), scale);
    }
}
