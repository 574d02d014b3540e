using LoraKit.Formats.Files;

namespace LoraKit.Formats.Layouts;

/// <summary>The files of an adapter, found from what the user named.</summary>
/// <param name="TensorFile">The file with its tensors.</param>
/// <param name="ConfigFile">The configuration beside it; null where there is none.</param>
internal sealed record AdapterLocation(string TensorFile, string? ConfigFile)
{
    /// <summary>The tensor file of an adapter that is a folder.</summary>
    public const string Tensors = "adapter_model.safetensors";

    /// <summary>The same in mlx-lm's folders.</summary>
    public const string MlxTensors = "adapters.safetensors";

    private const string Pickle = "adapter_model.bin";
    private const int MostListed = 5;

    // Of several, PEFT reads the first.
    private static readonly string[] NeedConfig = [Tensors, Pickle, MlxTensors];

    /// <summary>Tensor files by which a folder is an adapter without a configuration: diffusers' names for them.</summary>
    public static IReadOnlyList<string> TensorsAlone { get; } = ["pytorch_lora_weights.safetensors", "pytorch_lora_weights.bin"];

    /// <summary>What lies beside the configuration in a folder that is written.</summary>
    public static IReadOnlyList<string> TensorsWithConfig { get; } = [Tensors, MlxTensors];

    /// <summary>The configuration is looked for beside what was named, not beside what a symbolic link points to.</summary>
    /// <exception cref="InputNotFoundException">There is nothing, or no adapter in the folder; subfolders with one are named.</exception>
    /// <exception cref="InvalidAdapterException">Half of an adapter.</exception>
    /// <exception cref="InvalidFileException">The folder may not be listed.</exception>
    public static AdapterLocation Find(string path)
    {
        if (Directory.Exists(path)) return InFolder(path);
        if (!File.Exists(path)) throw new InputNotFoundException(
            $"{Printable.Text(path)}: does not exist; expected an adapter's folder or tensor file", path);

        string folder = Path.GetDirectoryName(path) is { Length: > 0 } parent ? parent : ".";
        if (Path.GetFileName(path) == AdapterConfigFile.Name) return InFolder(folder);
        string config = Path.Combine(folder, AdapterConfigFile.Name);
        return new AdapterLocation(path, File.Exists(config) ? config : null);
    }

    private static AdapterLocation InFolder(string folder)
    {
        string config = Path.Combine(folder, AdapterConfigFile.Name);
        bool hasConfig = File.Exists(config);
        foreach (string name in NeedConfig)
        {
            string tensors = Path.Combine(folder, name);
            if (!File.Exists(tensors)) continue;
            return hasConfig ? new AdapterLocation(tensors, config) : throw new InvalidAdapterException(
                $"{Printable.Text(folder)}: has {name} but no {AdapterConfigFile.Name}: rank and alpha cannot be known", folder);
        }

        if (!hasConfig && TensorsAlone.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists) is { } whole) return new AdapterLocation(whole, null);
        string others = Others(folder);
        if (hasConfig)
        {
            throw new InvalidAdapterException($"{Printable.Text(folder)}: has {AdapterConfigFile.Name} but no {Tensors} or {Pickle}{others}", folder);
        }

        RequireListable(folder);
        string[] inside = Subfolders(folder);
        string where = inside.Length == 0 ? "" : $"; its subfolders with an adapter: "
            + $"{string.Join(", ", inside.Select(name => Printable.Text(name)))}: name one of them";
        throw new InputNotFoundException(
            $"{Printable.Text(folder)}: has neither {AdapterConfigFile.Name} nor {Tensors}{where}{others}", folder);
    }

    // In a folder that may not be entered nothing seems to be.
    private static void RequireListable(string folder)
    {
        try
        {
            _ = Directory.EnumerateFileSystemEntries(folder).Any();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidFileException($"{Printable.Text(folder)}: cannot be listed: {InputErrors.Reason(e)}", folder, cause: e);
        }
    }

    private static string[] Subfolders(string folder) => List(() => Directory.EnumerateDirectories(folder)
        .Where(inside => NeedConfig.Concat(TensorsAlone).Append(AdapterConfigFile.Name).Any(name => File.Exists(Path.Combine(inside, name)))));

    private static string Others(string folder)
    {
        string[] files = List(() => Directory.EnumerateFiles(folder, "*.safetensors"));
        return files.Length == 0 ? "" : $"; to read {string.Join(" or ", files.Select(name => Printable.Text(name)))}, name the file "
            + "itself";
    }

    private static string[] List(Func<IEnumerable<string>> entries)
    {
        try
        {
            return [.. entries().Take(1000).Select(entry => Path.GetFileName(entry)).Order(StringComparer.Ordinal).Take(MostListed)];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
