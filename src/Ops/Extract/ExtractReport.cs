namespace LoraKit.Ops.Extract;

/// <summary>A module as it was extracted.</summary>
/// <param name="Name">The parameter's name in the base.</param>
/// <param name="Rank">The rank it has in the adapter.</param>
/// <param name="EnergyKept">1 − error².</param>
/// <param name="RelativeError">‖ΔW − B·A‖_F / ‖ΔW‖_F, element by element, with the factors as they are stored.</param>
public sealed record ExtractedModule(string Name, int Rank, double EnergyKept, double RelativeError);

/// <summary>What an extraction did.</summary>
public sealed record ExtractReport
{
    /// <summary>The adapter.</summary>
    public required string Output { get; init; }

    /// <summary>The low-rank updates, ordered by name.</summary>
    public required IReadOnlyList<ExtractedModule> Modules { get; init; }

    /// <summary>Tensors that did not change.</summary>
    public required int Skipped { get; init; }

    /// <summary>√(Σ‖ΔW − B·A‖² / Σ‖ΔW‖²) over all modules.</summary>
    public required double RelativeError { get; init; }

    /// <summary>The adapter's size.</summary>
    public required long BytesWritten { get; init; }

    /// <summary>How long it took.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>What came out otherwise than was asked, one line each.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];
}
