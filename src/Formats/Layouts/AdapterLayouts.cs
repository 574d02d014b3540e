using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts;

/// <summary>The one list of layouts, and opening an adapter by whichever fits.</summary>
public static class AdapterLayouts
{
    /// <summary>Every layout, in no particular order.</summary>
    public static IReadOnlyList<IAdapterLayout> All { get; } = [];

    /// <summary>Opens a folder or a file, detects the layout and reads it.</summary>
    /// <param name="path">A PEFT folder, or a tensor file.</param>
    /// <exception cref="LoraKitException">It does not exist, is no adapter, or cannot be read.</exception>
    public static Adapter Open(string path) => throw new NotImplementedException();
}
