namespace LoraKit.Ops.Resize;

/// <summary>What becomes of one module. Errors are those of the truncation, before factors are rounded to their element type.</summary>
/// <param name="Name">The module; with the parameter's name where it is not <c>weight</c>.</param>
/// <param name="RankBefore">Its rank.</param>
/// <param name="RankAfter">Its new rank; the same leaves its factors as they are, byte for byte.</param>
/// <param name="EnergyKept">Σσ²[:k]/Σσ²; 1 of a module that is zero.</param>
/// <param name="RelativeError">√(Σσ²[k:]/Σσ²); 0 of a module that is zero.</param>
public sealed record ResizedModule(string Name, long RankBefore, long RankAfter, double EnergyKept, double RelativeError);

/// <summary>What a resize did.</summary>
public sealed record ResizeReport
{
    /// <summary>The adapter that was written.</summary>
    public required string Output { get; init; }

    /// <summary>Every low-rank module, in the file's order.</summary>
    public required IReadOnlyList<ResizedModule> Modules { get; init; }

    /// <summary>The size of the files that were read.</summary>
    public required long BytesBefore { get; init; }

    /// <summary>The size of the files that were written.</summary>
    public required long BytesAfter { get; init; }

    /// <summary>√(Σs²σ² lost / Σs²σ²) over all modules: the relative Frobenius error of the whole update.</summary>
    public required double RelativeError { get; init; }

    /// <summary>How long the second pass took, writing included.</summary>
    public required TimeSpan Elapsed { get; init; }
}
