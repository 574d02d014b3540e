using LoraKit.Formats.Layouts.Names;

namespace LoraKit.Ops.Targets;

/// <summary>A weight that the base has by the other naming, where that divides it, puts it together, or has its rows in another order.</summary>
/// <param name="Rule">Which it is.</param>
/// <param name="Part">Which of diffusers' modules the adapter changes, where the base has the original's tensor; null where the adapter changes the original's weight, and the base has diffusers'.</param>
/// <param name="Tensors">The base's: the original's one, or diffusers' in the order of its rows.</param>
/// <param name="Matrix">The base's tensor whose columns are the weight's: of a bias, the weight beside it.</param>
internal sealed record RegroupedWeight(NameRule Rule, int? Part, IReadOnlyList<string> Tensors, string Matrix);
