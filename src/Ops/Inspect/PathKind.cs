using LoraKit.Formats;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Safetensors;

namespace LoraKit.Ops.Inspect;

/// <summary>What a path holds, told by names and headers.</summary>
internal enum PathKind : byte
{
    /// <summary>An adapter, in a layout that is read.</summary>
    Adapter,

    /// <summary>An adapter by its tensors' names, in a layout that is not read.</summary>
    UnreadAdapter,

    /// <summary>Anything else with tensors: a model, a part of one, or just tensors.</summary>
    Checkpoint,
}

/// <summary>Tells what a path holds.</summary>
internal static class PathKinds
{
    // Parts of tensor names that every scheme of low-rank and kindred adapters has, and no model.
    private static readonly string[] AdapterWords = ["lora", "lokr_", "hada_", "lycoris", "oft_blocks", "ia3_", "dora_scale"];

    /// <summary>Looks at a path; a file is opened for its header.</summary>
    /// <exception cref="InputNotFoundException">There is nothing there.</exception>
    /// <exception cref="InvalidFileException">A file that is no valid safetensors file.</exception>
    public static PathKind Of(string path)
    {
        if (Directory.Exists(path))
        {
            bool adapter = File.Exists(Path.Combine(path, "adapter_config.json")) || Directory.EnumerateFiles(path, "adapter_model.*").Any();
            return adapter ? PathKind.Adapter : PathKind.Checkpoint;
        }

        if (!File.Exists(path)) throw new InputNotFoundException($"'{path}' does not exist; expected a file or a folder", path);
        if (path.EndsWith(".json", StringComparison.OrdinalIgnoreCase)) return PathKind.Checkpoint;
        using SafetensorsFile file = SafetensorsFile.Open(path);
        AdapterSource source = new(path, file, null, null);
        if (AdapterLayouts.All.Any(layout => layout.Detect(source) != LayoutMatch.No)) return PathKind.Adapter;
        return IsAdapterLike(file) ? PathKind.UnreadAdapter : PathKind.Checkpoint;
    }

    private static bool IsAdapterLike(SafetensorsFile file) =>
        file.Metadata.ContainsKey("ss_network_module") || file.Tensors.Any(tensor =>
            AdapterWords.Any(word => tensor.Name.Contains(word, StringComparison.OrdinalIgnoreCase)));
}
