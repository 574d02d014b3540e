using System.Text.Json.Serialization;

namespace LoraKit.Tool.Render.Json;

/// <summary>What <c>inspect --json</c> prints.</summary>
internal sealed record InspectDocument : CommandDocument
{
    public required string Path { get; init; }

    public required string Container { get; init; }

    public required string? Layout { get; init; }

    public required string? Family { get; init; }

    public required string? Architecture { get; init; }

    public required string? BaseModel { get; init; }

    public required long Bytes { get; init; }

    [JsonPropertyName("dtype")]
    public required string? DType { get; init; }

    public required int ModuleCount { get; init; }

    public required long ParameterCount { get; init; }

    public required IReadOnlyDictionary<string, int> Ranks { get; init; }

    public required IReadOnlyList<ModuleBody> Modules { get; init; }

    public required IReadOnlyList<TensorBody> Extras { get; init; }

    public required IReadOnlyDictionary<string, string> Metadata { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public HashesBody? Hashes { get; init; }

    public required IReadOnlyList<IssueBody> Issues { get; init; }
}

/// <summary>One update of an adapter.</summary>
internal sealed record ModuleBody(
    string Name, string Kind, long? OutFeatures, long? InFeatures, IReadOnlyList<long> Shape, long? Rank, double? Alpha, double? Scale,
    [property: JsonPropertyName("dtype")] string DType, bool Dora)
{
    /// <summary>With <c>--spectrum</c> only, as all that follow.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? Norm { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<double>? Spectrum { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyDictionary<string, int>? EnergyRank { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? StableRank { get; init; }
}

/// <summary>A tensor that is no update.</summary>
internal sealed record TensorBody(
    string Name, string Kind, [property: JsonPropertyName("dtype")] string DType, IReadOnlyList<long> Shape);

/// <summary>Something odd.</summary>
internal sealed record IssueBody(string Code, string Severity, string Message, string? Where);

/// <summary>A file's hashes; the last two under the names they have in kohya metadata.</summary>
internal sealed record HashesBody(
    string Sha256, string Xxh128,
    [property: JsonPropertyName("sshs_model_hash")] string SshsModelHash,
    [property: JsonPropertyName("sshs_legacy_hash")] string SshsLegacyHash);
