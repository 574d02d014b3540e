namespace LoraKit.Formats.Layouts.Factors;

/// <summary>What a tensor is to its module, in the layouts that have a pair of factors for each.</summary>
internal enum FactorRole : byte
{
    /// <summary>Nothing that is known.</summary>
    Unknown,

    /// <summary>A.</summary>
    Down,

    /// <summary>B.</summary>
    Up,

    /// <summary>The bias of B.</summary>
    Bias,

    /// <summary>α, as a tensor.</summary>
    Alpha,

    /// <summary>DoRA's magnitudes.</summary>
    Magnitude,

    /// <summary>Part of a kind that is not read.</summary>
    Refused,
}
