namespace LoraKit.Formats.Adapters;

/// <summary>How many angles RoAd has for a pair of outputs.</summary>
public enum RoadVariant : byte
{
    /// <summary>One for both outputs: a rotation.</summary>
    One = 1,

    /// <summary>One for each output.</summary>
    Two = 2,

    /// <summary>Two for each output: of its cosine and of its sine.</summary>
    Four = 4,
}
