using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Ops.Targets;

namespace LoraKit.Ops.Conversion;

/// <summary>
/// How the result names what the adapter changes: the one place where a layout's names become another's. Names stay where the layout
/// stays; PEFT's are the base's own.
/// </summary>
internal static class ResultNames
{
    private const int MostListed = 5;

    /// <param name="adapter">As it was read.</param>
    /// <param name="layout">The layout that is written.</param>
    /// <param name="base">The base; null without one.</param>
    /// <exception cref="UnsupportedException">The layout's names cannot be made, or not without a base.</exception>
    public static (Func<AdapterDelta, ParameterName> OfUpdate, Func<Replacement, ParameterName> OfReplacement) Of(Adapter adapter, string layout, BaseTargets? @base)
    {
        if (adapter.Layout == layout) return (delta => delta.Target, replacement => replacement.Target);
        if (layout is not ("peft" or "gguf")) // Whose modules have the base's own names.
        {
            throw new UnsupportedException(
                $"{Printable.Text(adapter.Path)}: is of layout {adapter.Layout}, whose names are not made {layout}'s yet; expected an adapter of layout {layout}, or peft as the target",
                adapter.Path);
        }

        if (@base is not null)
        {
            return (
                delta => @base.Of(delta)?.Name ?? delta.Target,
                replacement => @base.Of(replacement) is { } name ? BaseNames.ParameterOf(name) : replacement.Target);
        }

        string[] flat = [.. adapter.Deltas.Select(delta => delta.Target).Concat(adapter.Replacements.Select(replacement => replacement.Target))
            .Where(target => !target.Module.Path.Contains('.')).Select(target => target.Label).Distinct()];
        if (flat.Length == 0) return (delta => delta.Target, replacement => replacement.Target);
        string names = string.Join(", ", flat.Take(MostListed).Select(name => $"'{Printable.Text(name)}'"));
        throw new UnsupportedException(
            $"{Printable.Text(adapter.Path)}: {flat.Length} names are flattened ({names}{(flat.Length > MostListed ? ", …" : "")}), and only the base tells where their dots were; name it with --base",
            adapter.Path, flat[0]);
    }
}
