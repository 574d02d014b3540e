using LoraKit.Formats.Layouts;

namespace LoraKit.Ops.Inspect;

/// <summary>How much to look at.</summary>
public sealed record InspectOptions
{
    /// <summary>What is known of an adapter beyond its files.</summary>
    public AdapterReadOptions Reading { get; init; } = AdapterReadOptions.Default;

    /// <summary>Reads the whole file once for its hashes.</summary>
    public bool Hashes { get; init; }

    /// <summary>Decomposes every update of an adapter for its singular values; of anything else than an adapter that is read it is refused.</summary>
    public bool Spectrum { get; init; }

    /// <summary>
    /// The program, or the layout, that an adapter is checked for: <c>vllm</c>, <c>llama.cpp</c>, <c>ollama</c>, <c>diffusers</c>, <c>comfyui</c>, <c>peft</c>, <c>kohya</c>, …; null checks none. Of
    /// anything else than an adapter that is read it is refused.
    /// </summary>
    public string? Check { get; init; }

    /// <summary>How many threads read values; 0 takes one per processor.</summary>
    public int Threads { get; init; }
}
