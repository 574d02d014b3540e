using LoraKit.Formats.Adapters;

namespace LoraKit.Ops.Stack;

/// <summary>An adapter of a stack as it was read.</summary>
/// <param name="Path">What the user named.</param>
/// <param name="Weight">Its weight.</param>
/// <param name="Layout">The layout it was read by.</param>
/// <param name="Modules">How many parameters it updates.</param>
/// <param name="Issues">What is odd about it.</param>
public sealed record StackInput(string Path, double Weight, string Layout, int Modules, IReadOnlyList<AdapterIssue> Issues);

/// <summary>A module of a stack that is planned.</summary>
/// <param name="Name">The module, or the parameter where that is not the weight.</param>
/// <param name="OutFeatures">Rows of its update.</param>
/// <param name="InFeatures">Columns of its update, kernel included.</param>
/// <param name="Ranks">One per input, 0 for those that lack the module.</param>
/// <param name="RankAtMost">The largest that the result can have.</param>
public sealed record PlannedStackModule(string Name, long OutFeatures, long InFeatures, IReadOnlyList<long> Ranks, int RankAtMost);

/// <summary>A module of the result.</summary>
/// <param name="Name">The module, or the parameter where that is not the weight.</param>
/// <param name="Ranks">One per input, 0 for those that lack the module.</param>
/// <param name="RankAfter">The result's.</param>
/// <param name="RelativeError">
/// ‖ΔW − result‖_F / ‖ΔW‖_F, ΔW being the combined update before it was cut to its rank; rounding to the element type is no part
/// of it. Null under PEFT's semantics, which forms no such update.
/// </param>
public sealed record StackedModuleReport(string Name, IReadOnlyList<long> Ranks, long RankAfter, double? RelativeError);

/// <summary>What a stack did.</summary>
public sealed record StackReport
{
    /// <summary>What was written.</summary>
    public required string Output { get; init; }

    /// <summary>Every module.</summary>
    public required IReadOnlyList<StackedModuleReport> Modules { get; init; }

    /// <summary>As a module's, over all modules together.</summary>
    public required double? RelativeError { get; init; }

    /// <summary>Bytes of all files.</summary>
    public required long BytesWritten { get; init; }

    /// <summary>How long it took.</summary>
    public required TimeSpan Elapsed { get; init; }
}
