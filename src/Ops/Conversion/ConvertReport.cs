namespace LoraKit.Ops.Conversion;

/// <summary>How an update comes out of a conversion.</summary>
public enum ConvertedForm : byte
{
    /// <summary>It was plain LoRA: its factors stay as they are.</summary>
    Kept,

    /// <summary>A product of low rank that equals it, in real numbers; only the storage of the factors rounds.</summary>
    Exact,

    /// <summary>Its nearest product of a lower rank, by singular value decomposition.</summary>
    Truncated,

    /// <summary>An update of the bias beside factors (<c>lora_bias</c>).</summary>
    Bias,

    /// <summary>The whole new value, base and update together: a parameter that plain LoRA has no update for.</summary>
    Full,
}

/// <summary>An update, as it will be or was converted.</summary>
/// <param name="Name">What it updates, as the result names it.</param>
/// <param name="Kind">The kind it had: <c>lokr</c>, <c>dora</c>, …</param>
/// <param name="Form">How it comes out.</param>
public sealed record ConvertedModule(string Name, string Kind, ConvertedForm Form)
{
    /// <summary>The rank; null of what has none, and in a plan of what is decided by values.</summary>
    public long? Rank { get; init; }

    /// <summary>‖ΔW − s·B·A‖_F / ‖ΔW‖_F, element by element, with the factors as they are stored; null of what has none, was kept, or is planned.</summary>
    public double? RelativeError { get; init; }

    /// <summary>The largest singular value of ΔW; null where it was not decomposed.</summary>
    public double? LargestSingularValue { get; init; }

    /// <summary>The smallest singular value that was kept; null where it was not decomposed.</summary>
    public double? SmallestSingularValue { get; init; }
}

/// <summary>A module of the result.</summary>
/// <param name="Name">As the result's layout spells it.</param>
/// <param name="From">The modules of the adapter that it is made of, by its own names: several where a weight is fused, the same for several where one is divided.</param>
public sealed record WrittenModule(string Name, IReadOnlyList<string> From);

/// <summary>What a conversion did.</summary>
public sealed record ConvertReport
{
    /// <summary>The adapter that was written.</summary>
    public required string Output { get; init; }

    /// <summary>Every update, in the file's order.</summary>
    public required IReadOnlyList<ConvertedModule> Modules { get; init; }

    /// <summary>Every module of the result, in its order.</summary>
    public required IReadOnlyList<WrittenModule> Written { get; init; }

    /// <summary>How many updates the layout has no words for as they were: a scale or another setting went into their factors.</summary>
    public required int Folded { get; init; }

    /// <summary>The metadata of the file that was written, hashes included.</summary>
    public required IReadOnlyDictionary<string, string> Metadata { get; init; }

    /// <summary>Values of factors other than 0 that are 0 in the element type that they are stored in.</summary>
    public required long Flushed { get; init; }

    /// <summary>Values of factors that lost digits because they lie below the normal range of the element type that they are stored in.</summary>
    public required long Subnormal { get; init; }

    /// <summary>√(Σ‖ΔW − s·B·A‖² / Σ‖ΔW‖²) over all updates that were computed.</summary>
    public required double RelativeError { get; init; }

    /// <summary>The adapter's size.</summary>
    public required long BytesWritten { get; init; }

    /// <summary>How long it took.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>What came out otherwise than was asked, one line each.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];
}
