using System.Text.Json.Serialization;

namespace LoraKit.Tool.Render.Json;

/// <summary>What every command's JSON document begins and ends with. See spec/cli.md.</summary>
internal abstract record CommandDocument
{
    [JsonPropertyOrder(-3)]
    public required string Command { get; init; }

    [JsonPropertyOrder(-2)]
    public string Version { get; init; } = ToolVersion.Text;

    /// <summary>Whether the exit code is 0.</summary>
    [JsonPropertyOrder(-1)]
    public required bool Ok { get; init; }

    [JsonPropertyOrder(1)]
    public IReadOnlyList<string> Warnings { get; init; } = [];

    [JsonPropertyOrder(2)]
    public ErrorBody? Error { get; init; }
}

/// <summary>Why a command stopped.</summary>
internal sealed record ErrorBody(string Code, string Message, string? File, string? Tensor)
{
    /// <summary>Everything that has no place in the base; only where that is the error.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Misses { get; init; }
}

/// <summary>A command that stopped.</summary>
internal sealed record ErrorDocument : CommandDocument;
