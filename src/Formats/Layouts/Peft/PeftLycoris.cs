using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>The tensors of LoHa and LoKr as PEFT names and shapes them: beside a core its factors are matrices, else a kernel lies flat in the columns.</summary>
internal static class PeftLycoris
{
    public static RankedModule Ranked(LohaDelta loha) => new(loha.Target.Module, TuckerDown.Stored(loha.First.Down).Shape[0], loha.Scale);

    public static IEnumerable<(string Name, TensorValue Tensor, TensorShape Shape)> Tensors(LohaDelta loha) =>
        [.. Pair(loha.First, "hada_w1", "hada_t1"), .. Pair(loha.Second, "hada_w2", "hada_t2")];

    public static IEnumerable<(string Name, TensorValue Tensor, TensorShape Shape)> Tensors(LokrDelta lokr) =>
        [.. Factor(lokr.First, "lokr_w1", ""), .. Factor(lokr.Second, "lokr_w2", "lokr_t2")];

    /// <summary>Why LoHa of these sizes is not PEFT's, as the end of a sentence; null where it is.</summary>
    public static string? Limit(LohaDelta loha)
    {
        long rank = Ranked(loha).Rank;
        foreach (TensorValue down in (ReadOnlySpan<TensorValue>)[loha.First.Down, loha.Second.Down])
        {
            if (down is TuckerDown != loha.First.Down is TuckerDown) return "has a Tucker core in one of LoHa's two products, which both have or none";
            if (TuckerDown.Stored(down).Shape[0] != rank || down.Shape[0] != rank) return "has products of LoHa of unequal ranks, and r is one for both";
        }

        return null;
    }

    private static IEnumerable<(string, TensorValue, TensorShape)> Factor(KroneckerFactor factor, string name, string core) =>
        factor.Down is { } down ? Pair((factor.Up, down), name, core) : [(name, factor.Up, factor.Up.Shape)];

    private static IEnumerable<(string, TensorValue, TensorShape)> Pair((TensorValue Up, TensorValue Down) pair, string name, string core)
    {
        TensorValue up = pair.Down is TuckerDown ? TransposedTensor.Of(pair.Up) : pair.Up, down = TuckerDown.Stored(pair.Down);
        yield return ($"{name}_a", up, up.Shape);
        (long rows, long columns) = down.Shape.AsMatrix();
        yield return ($"{name}_b", down, new TensorShape(rows, columns));
        if (pair.Down is TuckerDown folded) yield return (core, folded.Mid, folded.Mid.Shape);
    }
}
