using System.Globalization;
using System.Text.Json.Serialization;
using LoraKit.Formats.Adapters;
using LoraKit.Ops.Inspect;
using LoraKit.Tool.Commands;

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

    /// <summary>With <c>--check</c> only.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<IssueBody>? Findings { get; init; }

    public static InspectDocument Of(string path, AdapterInspection inspection, bool ok) => new()
    {
        Command = InspectCommand.Name,
        Ok = ok,
        Path = path,
        Container = inspection.Container,
        Layout = inspection.Layout,
        Family = inspection.Family,
        Architecture = inspection.Architecture,
        BaseModel = inspection.BaseModel,
        Bytes = inspection.Bytes,
        DType = inspection.DType,
        ModuleCount = inspection.ModuleCount,
        ParameterCount = inspection.ParameterCount,
        Ranks = inspection.Ranks.ToDictionary(r => r.Key.ToString(CultureInfo.InvariantCulture), r => r.Value),
        Modules =
        [
            .. inspection.Modules.Select(m => new ModuleBody(
                m.Name, m.Kind, m.OutFeatures, m.InFeatures, m.Shape.Sizes, m.Rank, JsonOutput.Finite(m.Alpha), JsonOutput.Finite(m.Scale), m.DType, m.Dora)
            {
                Norm = JsonOutput.Finite(m.Spectrum?.Norm),
                Spectrum = m.Spectrum?.SingularValues,
                EnergyRank = m.Spectrum is { } spectrum ? SpectrumText.Parts.ToDictionary(p => p.ToString(CultureInfo.InvariantCulture), spectrum.EnergyRank) : null,
                StableRank = m.Spectrum?.StableRank,
            }),
        ],
        Extras = [.. inspection.Extras.Select(e => new TensorBody(e.Name, e.Kind, e.DType, e.Shape.Sizes))],
        Metadata = inspection.Metadata,
        Hashes = inspection.Hashes is { } h ? new HashesBody(h.Sha256, h.XxHash128, h.SshsModelHash, h.SshsLegacyHash) : null,
        Issues = Bodies(inspection.Issues),
        Findings = inspection.Findings is { } findings ? Bodies(findings) : null,
        Warnings = [.. inspection.Issues.Where(i => i.Severity == IssueSeverity.Warning && i.Where is null).Select(i => i.Message)],
    };

    private static IReadOnlyList<IssueBody> Bodies(IReadOnlyList<AdapterIssue> issues) => [.. issues.Select(i => new IssueBody(i.Code, InspectText.Severity(i.Severity), i.Message, i.Where))];
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
    [property: JsonPropertyName("sshs_model_hash")] string? SshsModelHash,
    [property: JsonPropertyName("sshs_legacy_hash")] string? SshsLegacyHash);
