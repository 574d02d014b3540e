using LoraKit.Ops.Adapters;

namespace LoraKit.Ops.Stack;

/// <summary>How tasks elect the sign of an element.</summary>
public enum SignElection : byte
{
    /// <summary>The sign of the sum: TIES as published.</summary>
    Total,

    /// <summary>The sign that more tasks have; where equally many have either, the sign of the sum.</summary>
    Frequency,
}

/// <summary>On what matrices element-wise methods work.</summary>
public enum StackSpace : byte
{
    /// <summary>On ΔW itself, one module at a time.</summary>
    Dense,

    /// <summary>On its coordinates in the bases that the adapters span together (arXiv:2509.17786): small, and lossless.</summary>
    Core,
}

/// <summary>Whose arithmetic a stack follows.</summary>
public enum StackSemantics : byte
{
    /// <summary>Each method as its paper defines it, on Δ = weight · scale · B · A.</summary>
    Exact,

    /// <summary>What PEFT 0.20's <c>add_weighted_adapter</c> computes.</summary>
    Peft,
}

/// <summary>
/// Which adapters to combine, and how. A setting that is null takes its method's default; one that is given and that the method has no use
/// for is refused.
/// </summary>
public sealed record StackOptions
{
    /// <summary>One or more adapters, all of the same layout.</summary>
    public required IReadOnlyList<AdapterInput> Adapters { get; init; }

    /// <summary>Where the result goes, in the layout of the adapters.</summary>
    public required AdapterOutput Output { get; init; }

    /// <summary>One of <see cref="StackMethods.All"/>, by name; under <see cref="StackSemantics.Peft"/> one of PEFT's combination types.</summary>
    public string Method { get; init; } = "cat";

    /// <summary>The largest rank of a module in the result, at least 1; null takes the method's.</summary>
    public int? Rank { get; init; }

    /// <summary>The smallest rank that keeps this fraction of Σσ², above 0 and at most 1; not together with <see cref="Rank"/>.</summary>
    public double? Energy { get; init; }

    /// <summary>The fraction of elements that is kept (on average, where they are drawn), above 0 and at most 1. Methods that drop need it.</summary>
    public double? Density { get; init; }

    /// <summary>How signs are elected; total if null.</summary>
    public SignElection? Sign { get; init; }

    /// <summary>What the combined update is multiplied with; 1 if null.</summary>
    public double? Lambda { get; init; }

    /// <summary>What random drops are drawn from; 0 if null.</summary>
    public long? Seed { get; init; }

    /// <summary>Where element-wise methods work; dense if null.</summary>
    public StackSpace? Space { get; init; }

    /// <summary>The fraction of largest elements that breadcrumbs drops, from 0 to below 1; 0.01 if null, as in mergekit.</summary>
    public double? Gamma { get; init; }

    /// <summary>By how much della's probabilities of keeping lie below and above the density; 0.15 if null, as in mergekit.</summary>
    public double? Epsilon { get; init; }

    /// <summary>Combines adapters whose modules lie in different parts of a model, as an encoder's and a decoder's, instead of stopping.</summary>
    public bool AllowUnmatched { get; init; }

    /// <summary>Whose arithmetic.</summary>
    public StackSemantics Semantics { get; init; }

    /// <summary>
    /// The cap for matrices of modules in work at once, in bytes. One module is always in work, with a warning where it alone takes more; what
    /// the machine has no memory for is refused.
    /// </summary>
    public long MemoryBytes { get; init; } = 256_000_000;

    /// <summary>How many threads compute; 0 takes one per processor.</summary>
    public int Threads { get; init; }
}
