namespace LoraKit.Formats.Layouts.Names;

/// <summary>Where a module stands in a part's vocabulary.</summary>
/// <param name="Rule">The weight that it is, or is a part of.</param>
/// <param name="Naming">Whose name it has; of two that call it alike, diffusers' before the original's before ComfyUI's.</param>
/// <param name="Module">Which of the rule's modules by that naming.</param>
/// <param name="Numbers">What stands for <c>#</c>.</param>
internal sealed record NamePlace(NameRule Rule, Naming Naming, int Module, IReadOnlyList<string> Numbers);
