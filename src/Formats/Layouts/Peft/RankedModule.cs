using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>A module as the configuration speaks of it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Rank">r.</param>
/// <param name="Scale">The multiplier that alpha and r have to give.</param>
internal readonly record struct RankedModule(ModuleName Name, long Rank, double Scale);
