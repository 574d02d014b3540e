using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Peft;
using LoraKit.Formats.Safetensors;

namespace LoraKit.Formats.Layouts;

/// <summary>The one list of layouts, and opening an adapter by whichever fits.</summary>
public static class AdapterLayouts
{
    /// <summary>Every layout, in no particular order.</summary>
    public static IReadOnlyList<IAdapterLayout> All { get; } = [new PeftLayout()];

    /// <summary>Opens a folder or a file, detects the layout and reads it.</summary>
    /// <param name="path">A PEFT folder, or a tensor file.</param>
    /// <exception cref="LoraKitException">It does not exist, is no adapter, or cannot be read.</exception>
    public static Adapter Open(string path)
    {
        AdapterLocation location = AdapterLocation.Find(path);
        AdapterConfig? config = location.ConfigFile is null ? null : AdapterConfigFile.Read(location.ConfigFile);
        AdapterSource source = new(path, SafetensorsFile.Open(location.TensorFile), config, location.ConfigFile);
        try
        {
            return Detect(source, All).Read(source);
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <summary>The one layout of a list that fits: the certain one, or the possible one where none is certain.</summary>
    /// <param name="source">The adapter; only names, shapes and the configuration are looked at.</param>
    /// <param name="layouts">The layouts to choose from; their order does not matter.</param>
    /// <exception cref="InvalidAdapterException">Two fit equally well; the message names both.</exception>
    /// <exception cref="UnsupportedException">None fits; the message says what the keys look like.</exception>
    public static IAdapterLayout Detect(AdapterSource source, IReadOnlyList<IAdapterLayout> layouts)
    {
        ILookup<LayoutMatch, IAdapterLayout> found = layouts.ToLookup(layout => layout.Detect(source));
        foreach (LayoutMatch match in (ReadOnlySpan<LayoutMatch>)[LayoutMatch.Certain, LayoutMatch.Possible])
        {
            IAdapterLayout[] fitting = [.. found[match].OrderBy(layout => layout.Name, StringComparer.Ordinal)];
            if (fitting.Length == 1) return fitting[0];
            if (fitting.Length > 1)
            {
                throw new InvalidAdapterException(
                    $"{Printable.Text(source.Path)}: fits several layouts: "
                    + $"{string.Join(", ", fitting.Select(layout => layout.Name))}; expected one", source.Path);
            }
        }

        string example = source.Tensors.Tensors.Count == 0 ? "it holds no tensors" : $"its first key is "
            + $"'{Printable.Text(source.Tensors.Tensors[0].Name)}'";
        throw new UnsupportedException(
            ForeignKeys.Describe(source.Tensors) is { } whose
                ? $"{Printable.Text(source.Path)}: its keys look like {whose}, a layout that is not read yet (read: "
                    + $"{string.Join(", ", layouts.Select(layout => layout.Name))})"
                : $"{Printable.Text(source.Path)}: is no adapter of a layout that is read "
                    + $"({string.Join(", ", layouts.Select(layout => layout.Name))}): {example}",
            source.Path);
    }
}
