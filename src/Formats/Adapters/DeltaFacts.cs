namespace LoraKit.Formats.Adapters;

/// <summary>What a report says of an update beside its kind and shape.</summary>
/// <param name="Rank">The rank; null where the kind has none.</param>
/// <param name="Alpha">The file's alpha; null where the kind has none.</param>
/// <param name="Scale">The resolved multiplier; null where the kind has none.</param>
/// <param name="Dora">Whether a DoRA magnitude belongs to it.</param>
public readonly record struct DeltaFacts(long? Rank = null, double? Alpha = null, double? Scale = null, bool Dora = false);
