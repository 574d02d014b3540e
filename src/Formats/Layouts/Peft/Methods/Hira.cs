using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>
/// HiRA: <c>hira_A</c> [r, in, …kernel] and <c>hira_B</c> [out, r, 1…]; <c>hira_embedding_A</c> [r, vocab] and <c>hira_embedding_B</c> [dim, r].
/// See spec/layouts/peft.md, "Methods other than LoRA".
/// </summary>
internal sealed class Hira : IPeftMethod
{
    public string PeftType => "HIRA";

    public string Name => "HiRA";

    public IReadOnlyList<string> ModuleTensors => ["hira_A", "hira_B", "hira_embedding_A", "hira_embedding_B"];

    public IEnumerable<AdapterDelta> Read(PeftModule module, PeftMethodContext context)
    {
        bool isEmbedding = module.Has("hira_embedding_A") || module.Has("hira_embedding_B");
        (string a, string b) = isEmbedding ? ("hira_embedding_A", "hira_embedding_B") : ("hira_A", "hira_B");
        (StoredTensor down, StoredTensor up) = (module.Require(a), module.Require(b));
        // PEFT's first adapter of a model has rank r whatever its rank_pattern says, later ones follow it; no scale depends on either.
        if (down.Shape.Rank == 0 || down.Shape[0] != context.Settings.WholeNumber("r", 32)) context.RequireRank(module, down, dimension: 0);
        if (isEmbedding)
        {
            // ΔW [vocab, dim] = W ∘ (B·A)ᵀ, so Aᵀ goes up and Bᵀ goes down.
            AdapterDelta.RequireValues(module.Weight, down);
            AdapterDelta.RequireValues(module.Weight, up);
            if (down.Shape.Rank != 2 || up.Shape.Rank != 2) throw module.Wrong($"{a} {down.Shape} and {b} {up.Shape} are no matrices; expected [r, vocab] and [dim, r]");
            yield return new HiraDelta(module.Weight, new TransposedTensor(up), new TransposedTensor(down));
            yield break;
        }

        WeightOrientation orientation = down.Shape.Rank == 2 ? WeightOrientation.FromShape : WeightOrientation.OutIn;
        yield return new HiraDelta(module.Weight, down, up) { Orientation = orientation, SquareIsInOut = context.Config.IsConv1D };
    }
}
