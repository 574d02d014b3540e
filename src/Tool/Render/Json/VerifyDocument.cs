namespace LoraKit.Tool.Render.Json;

/// <summary>What <c>verify --json</c> prints.</summary>
internal sealed record VerifyDocument : CommandDocument
{
    public required string Path { get; init; }

    public required bool Valid { get; init; }

    public required IReadOnlyList<FindingBody> Findings { get; init; }

    public required long CheckedElements { get; init; }
}

/// <summary>Something wrong.</summary>
internal sealed record FindingBody(string Code, string Message, string? File, string? Tensor);
