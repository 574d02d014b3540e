using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Containers;
using LoraKit.Formats.Files;
using LoraKit.Formats.Gguf;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;

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

    /// <summary>The same in a container that models are not read from.</summary>
    OtherContainer,
}

/// <summary>Tells what a path holds.</summary>
internal static class PathKinds
{
    /// <summary>Looks at a path; a file is opened for its header.</summary>
    /// <exception cref="InputNotFoundException">There is nothing there.</exception>
    /// <exception cref="InvalidFileException">A file that is no valid tensor file.</exception>
    /// <exception cref="UnsupportedException">A tensor file of what is not read.</exception>
    public static PathKind Of(string path)
    {
        if (Directory.Exists(path))
        {
            bool adapter = File.Exists(Path.Combine(path, AdapterConfigFile.Name)) || HasAdapterFile(path);
            return adapter ? PathKind.Adapter : PathKind.Checkpoint;
        }

        if (!File.Exists(path)) throw new InputNotFoundException($"{Printable.Text(path)}: does not exist; expected a file or a folder", path);
        if (path.EndsWith(".index.json", StringComparison.Ordinal)) return PathKind.Checkpoint;
        AdapterLocation location = AdapterLocation.Find(path);
        using ITensorSource file = TensorFiles.Open(location.TensorFile);
        if (file is GgufFile { IsModel: true }) return PathKind.Checkpoint;
        AdapterConfig? config = location.ConfigFile is null ? null : AdapterConfigFile.Read(location.ConfigFile);
        AdapterSource source = new(path, file, config, location.ConfigFile);
        if (AdapterLayouts.All.Any(layout => layout.Detect(source) != LayoutMatch.No)) return PathKind.Adapter;
        if (file is not SafetensorsFile) return PathKind.OtherContainer;
        return ForeignKeys.Describe(file) is null ? PathKind.Checkpoint : PathKind.UnreadAdapter;
    }

    private static bool HasAdapterFile(string folder)
    {
        try
        {
            return Directory.EnumerateFiles(folder, "adapter_model.*").Any() || AdapterLocation.TensorsAlone.Any(name => File.Exists(Path.Combine(folder, name)));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidFileException($"{Printable.Text(folder)}: cannot be listed: {InputErrors.Reason(e)}", folder, cause: e);
        }
    }
}
