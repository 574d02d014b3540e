using System.Text.Json.Serialization;

namespace LoraKit.Tool.Render.Json;

/// <summary>What <c>merge --json</c> prints: of a merge, or with <c>--dry-run</c> of its plan.</summary>
internal sealed record MergeDocument : CommandDocument
{
    public required string Base { get; init; }

    public required IReadOnlyList<MergeAdapterBody> Adapters { get; init; }

    public required string Out { get; init; }

    public required bool DryRun { get; init; }

    public required int TensorsTotal { get; init; }

    public required int TensorsChanged { get; init; }

    public required int TensorsCopied { get; init; }

    /// <summary>What was written; what would be, in a plan.</summary>
    public required long BytesWritten { get; init; }

    public required IReadOnlyList<string> Unmatched { get; init; }

    /// <summary>Null in a plan.</summary>
    public required double? Seconds { get; init; }

    public required long PeakMemoryBytes { get; init; }

    public required IReadOnlyList<ShardBody> Shards { get; init; }

    /// <summary>Tensors of Q8_0 that were rounded to blocks again, or would be; only where there are some.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public RequantisedBody? Requantised { get; init; }

    /// <summary>The undo record; only where one was asked for.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public UndoBody? Undo { get; init; }

    /// <summary>What reading the output back found; with <c>--verify</c> only.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public VerifiedBody? Verified { get; init; }

    /// <summary>Every tensor of the output; in a plan only.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<PlannedTensorBody>? Tensors { get; init; }

    /// <summary>Other files that are copied or changed; in a plan only.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? OtherFiles { get; init; }
}

/// <summary>One adapter of a merge.</summary>
internal sealed record MergeAdapterBody(string Path, double Weight, string Layout, int Modules);

/// <summary>One tensor file of the output.</summary>
internal sealed record ShardBody(string File, long Bytes, int Tensors);

/// <summary>Tensors that were rounded to blocks again, and the most that it changed of one, ‖W′ − Q(W′)‖ / ‖W′‖; null in a plan.</summary>
internal sealed record RequantisedBody(int Tensors, double? RelativeChange);

/// <summary>An undo record; of a plan its path alone.</summary>
internal sealed record UndoBody(string Path, long? Bytes, long? Repaired, long? ChangedBytes);

/// <summary>What happens to one tensor.</summary>
internal sealed record PlannedTensorBody(
    string Name, string Action, [property: JsonPropertyName("dtype")] string DType, IReadOnlyList<long> Shape, string File,
    IReadOnlyList<string> Updates);
