using System.Text.Json.Serialization;
using LoraKit.Ops.Verify;
using LoraKit.Tool.Commands;

namespace LoraKit.Tool.Render.Json;

/// <summary>What <c>verify --json</c> prints.</summary>
internal sealed record VerifyDocument : CommandDocument
{
    public required string Path { get; init; }

    public required bool Valid { get; init; }

    public required IReadOnlyList<FindingBody> Findings { get; init; }

    /// <summary>With a base only.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ulong? MaxUlp { get; init; }

    /// <summary>With a base only.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? WrongElements { get; init; }

    public required long CheckedElements { get; init; }

    public static VerifyDocument Of(string path, Verification result) => new()
    {
        Command = VerifyCommand.Name,
        Ok = result.Valid,
        Path = path,
        Valid = result.Valid,
        Findings = FindingBody.Of(result),
        MaxUlp = result.MaxUlp,
        WrongElements = result.WrongElements,
        CheckedElements = result.CheckedElements,
        Warnings = result.Warnings,
    };
}

/// <summary>Something wrong.</summary>
internal sealed record FindingBody(string Code, string Message, string? File, string? Tensor)
{
    public static IReadOnlyList<FindingBody> Of(Verification result) => [.. result.Findings.Select(f => new FindingBody(f.Code, f.Message, f.File, f.Tensor))];
}

/// <summary>How a merge was verified after it was written.</summary>
internal sealed record VerifiedBody(bool Valid, IReadOnlyList<FindingBody> Findings, ulong? MaxUlp, long? WrongElements, long CheckedElements)
{
    public static VerifiedBody Of(Verification result) => new(result.Valid, FindingBody.Of(result), result.MaxUlp, result.WrongElements, result.CheckedElements);
}
