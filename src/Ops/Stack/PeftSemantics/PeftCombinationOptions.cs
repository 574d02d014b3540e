namespace LoraKit.Ops.Stack.PeftSemantics;

/// <summary>How a majority of signs is found.</summary>
internal enum PeftMajoritySign : byte
{
    /// <summary>The sign of the sum.</summary>
    Total,

    /// <summary>The sign that more adapters have.</summary>
    Frequency,
}

/// <summary>The arguments of <c>add_weighted_adapter</c> that are not adapters or weights.</summary>
/// <param name="Type">The combination type.</param>
internal sealed record PeftCombinationOptions(PeftCombinationType Type)
{
    /// <summary>The rank of the types with an SVD; null takes the adapters' largest.</summary>
    public int? SvdRank { get; init; }

    /// <summary>The fraction of values that pruning leaves; from 1 on nothing is pruned.</summary>
    public double? Density { get; init; }

    /// <summary>How the majority is found where signs are elected.</summary>
    public PeftMajoritySign MajoritySign { get; init; }
}

/// <summary>Which element random pruning keeps. PEFT takes torch's global generator; the caller's should be a function of its arguments.</summary>
/// <param name="adapter">Which of the module's adapters.</param>
/// <param name="tensor">0 for A or for the whole update, 1 for B.</param>
/// <param name="element">The element, row-major as PEFT stores the tensor.</param>
/// <returns>A number from [0, 1), uniform: the element stays where it is below the density.</returns>
internal delegate double PeftUniform(int adapter, int tensor, long element);
