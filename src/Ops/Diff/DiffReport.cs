namespace LoraKit.Ops.Diff;

/// <summary>How two adapters (by the updates ΔW of their modules) or two checkpoints (tensor by tensor) differ. See spec/cli.md, "diff".</summary>
public sealed record DiffReport
{
    /// <summary>Whether updates of adapters were compared, and not tensors.</summary>
    public required bool IsOfAdapters { get; init; }

    /// <summary>Everything that either side has: in A's order, then what only B has.</summary>
    public required IReadOnlyList<TensorDifference> Tensors { get; init; }

    /// <summary>The largest |a − b| of all; null where one of the compared tensors has none.</summary>
    public required double? MaxAbs { get; init; }

    /// <summary>‖A − B‖ / ‖A‖ over everything that could be compared; null where that has no value.</summary>
    public required double? Relative { get; init; }

    /// <summary>What could not be told, one line each.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>Whether nothing differs at all.</summary>
    public bool Equal => Tensors.All(t => t.Status == DiffStatus.Equal);

    /// <summary>Whether both sides have the same names and shapes, and no tensor differs by more than a tolerance.</summary>
    /// <param name="tolerance">The largest relative difference of a tensor, not negative.</param>
    public bool IsWithin(double tolerance) => Tensors.All(t => t.IsWithin(tolerance));

    /// <summary>Reads and compares both, in bounded memory.</summary>
    /// <param name="options">What to compare.</param>
    /// <param name="progress">Told of bytes compared.</param>
    /// <param name="cancellation">Stops between pieces.</param>
    /// <exception cref="Formats.LoraKitException">A path does not exist or cannot be read, or one is an adapter and the other is none.</exception>
    public static DiffReport Run(DiffOptions options, IProgress<OpProgress>? progress = null, CancellationToken cancellation = default) =>
        new Differ(options, progress, cancellation).Run();
}
