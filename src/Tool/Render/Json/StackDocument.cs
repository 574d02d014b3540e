namespace LoraKit.Tool.Render.Json;

/// <summary>What <c>stack --json</c> prints: of a stack, or with <c>--dry-run</c> of its plan.</summary>
internal sealed record StackDocument : CommandDocument
{
    public required IReadOnlyList<StackInputBody> Inputs { get; init; }

    public required string Method { get; init; }

    public required string Out { get; init; }

    public required bool DryRun { get; init; }

    public required IReadOnlyList<StackModuleBody> Modules { get; init; }

    public required double? RelativeError { get; init; }

    /// <summary>Null in a plan.</summary>
    public required long? BytesWritten { get; init; }

    /// <summary>Null in a plan.</summary>
    public required double? Seconds { get; init; }

    public required long PeakMemoryBytes { get; init; }
}

/// <summary>One adapter of a stack.</summary>
internal sealed record StackInputBody(string Path, double Weight, string Layout, int Modules);

/// <summary>One module of a stack; in a plan <paramref name="RankAfter"/> is the largest that it can have.</summary>
internal sealed record StackModuleBody(string Name, IReadOnlyList<long> Ranks, long RankAfter, double? RelativeError);
