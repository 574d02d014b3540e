namespace LoraKit.Ops.Stack.PeftSemantics;

/// <summary>The eleven <c>combination_type</c>s of PEFT 0.20's <c>add_weighted_adapter</c>.</summary>
internal enum PeftCombinationType : byte
{
    /// <summary>Factors side by side.</summary>
    Cat,

    /// <summary>Weighted sums of the A and of the B, which have cross terms.</summary>
    Linear,

    /// <summary>TIES on the A and on the B.</summary>
    Ties,

    /// <summary>DARE on the A and on the B.</summary>
    DareLinear,

    /// <summary>DARE, then TIES' election, on the A and on the B.</summary>
    DareTies,

    /// <summary>Pruning by magnitude on the A and on the B.</summary>
    MagnitudePrune,

    /// <summary>A truncated SVD of the weighted sum of updates.</summary>
    Svd,

    /// <summary>TIES on the updates, then a truncated SVD.</summary>
    TiesSvd,

    /// <summary>DARE on the updates, then a truncated SVD.</summary>
    DareLinearSvd,

    /// <summary>DARE, then TIES' election, on the updates, then a truncated SVD.</summary>
    DareTiesSvd,

    /// <summary>Pruning by magnitude on the updates, then a truncated SVD.</summary>
    MagnitudePruneSvd,
}

/// <summary>What the types have in common.</summary>
internal static class PeftCombinationTypes
{
    /// <summary>Whether the result comes from an SVD of the whole update.</summary>
    public static bool IsSvd(this PeftCombinationType type) => type >= PeftCombinationType.Svd;

    /// <summary>Whether the whole updates are formed, element by element.</summary>
    public static bool FormsUpdates(this PeftCombinationType type) => type > PeftCombinationType.Svd;

    /// <summary>Whether it prunes, and so needs a density.</summary>
    public static bool Prunes(this PeftCombinationType type) =>
        type is not (PeftCombinationType.Cat or PeftCombinationType.Linear or PeftCombinationType.Svd);

    /// <summary>Whether it prunes at random.</summary>
    public static bool IsRandom(this PeftCombinationType type) => type
        is PeftCombinationType.DareLinear or PeftCombinationType.DareTies or PeftCombinationType.DareLinearSvd or PeftCombinationType.DareTiesSvd;

    /// <summary>Whether entries that disagree with the elected sign are left out.</summary>
    public static bool Elects(this PeftCombinationType type) => type
        is PeftCombinationType.Ties or PeftCombinationType.DareTies or PeftCombinationType.TiesSvd or PeftCombinationType.DareTiesSvd;

    /// <summary>The name that PEFT has for it: <c>dare_ties_svd</c>.</summary>
    public static string PeftName(this PeftCombinationType type) => type switch
    {
        PeftCombinationType.Cat => "cat",
        PeftCombinationType.Linear => "linear",
        PeftCombinationType.Ties => "ties",
        PeftCombinationType.DareLinear => "dare_linear",
        PeftCombinationType.DareTies => "dare_ties",
        PeftCombinationType.MagnitudePrune => "magnitude_prune",
        PeftCombinationType.Svd => "svd",
        PeftCombinationType.TiesSvd => "ties_svd",
        PeftCombinationType.DareLinearSvd => "dare_linear_svd",
        PeftCombinationType.DareTiesSvd => "dare_ties_svd",
        _ => "magnitude_prune_svd",
    };
}
