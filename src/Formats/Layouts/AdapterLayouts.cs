using LoraKit.Formats.Adapters;
using LoraKit.Formats.Containers;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Cloneofsimo;
using LoraKit.Formats.Layouts.Diffusers;
using LoraKit.Formats.Layouts.DiffusersOld;
using LoraKit.Formats.Layouts.Gguf;
using LoraKit.Formats.Layouts.Kohya;
using LoraKit.Formats.Layouts.Mlx;
using LoraKit.Formats.Layouts.Onnx;
using LoraKit.Formats.Layouts.Peft;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts;

/// <summary>The one list of layouts, and opening an adapter by whichever fits.</summary>
public static class AdapterLayouts
{
    /// <summary>Every layout, in no particular order.</summary>
    public static IReadOnlyList<IAdapterLayout> All { get; } =
    [
        new PeftLayout(), new KohyaLayout(KohyaLayout.KohyaName), new KohyaLayout(KohyaLayout.LycorisName),
        new DiffusersLayout(), new DiffusersOldLayout(), new CloneofsimoLayout(), new MlxLayout(), new OnnxLayout(),
        new GgufLayout(),
    ];

    /// <summary>Opens a folder or a file, detects the layout and reads it.</summary>
    /// <param name="path">A PEFT folder, or a tensor file in any container that <see cref="TensorFiles"/> opens.</param>
    /// <param name="options">What the files leave open; null takes what they say.</param>
    /// <param name="layout">The name of the layout it is read by; null detects it.</param>
    /// <exception cref="LoraKitException">It does not exist, is no adapter, or cannot be read.</exception>
    public static Adapter Open(string path, AdapterReadOptions? options = null, string? layout = null)
    {
        IAdapterLayout? named = layout is null ? null : Named(layout);
        AdapterLocation location = AdapterLocation.Find(path);
        AdapterConfig? config = location.ConfigFile is null ? null : AdapterConfigFile.Read(location.ConfigFile);
        AdapterSource source = new(path, TensorFiles.Open(location.TensorFile), config, location.ConfigFile) { Options = options ?? AdapterReadOptions.Default };
        try
        {
            return (named ?? Detect(source, All)).Read(source);
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <summary>The layout of a name.</summary>
    /// <exception cref="InvalidOptionException">There is none; the message lists those that are.</exception>
    public static IAdapterLayout Named(string name) => All.FirstOrDefault(layout => layout.Name == name)
        ?? throw new InvalidOptionException(
            $"'{Printable.Text(name)}' is no layout; expected one of {string.Join(", ", All.Select(layout => layout.Name).Order(StringComparer.Ordinal))}");

    /// <summary>Checks that an adapter may be written to a path, before anything is computed: nothing there that must stay, no input.</summary>
    /// <param name="path">The final path.</param>
    /// <param name="layout">The layout that is written.</param>
    /// <param name="isSingleFile">Whether it writes one file: <see cref="AdapterFiles.IsSingleFile"/>.</param>
    /// <param name="options">What may be replaced, what is read.</param>
    /// <exception cref="OutputException">It exists, or is or touches an input.</exception>
    /// <exception cref="InvalidOptionException">A single file needs a name with one of the layout's endings, a folder one without any.</exception>
    public static void CheckOutput(string path, IAdapterLayout layout, bool isSingleFile, AdapterSaveOptions options)
    {
        IEnumerable<string> endings = isSingleFile ? layout.Endings : All.SelectMany(any => any.Endings);
        if (endings.Any(ending => path.EndsWith(ending, StringComparison.OrdinalIgnoreCase)) != isSingleFile)
        {
            throw new InvalidOptionException(isSingleFile
                ? $"the output {Printable.Text(path)} is one file in this layout; name it {string.Join(" or ", layout.Endings.Select(ending => "something" + ending))}"
                : $"the output {Printable.Text(path)} is a folder in this layout (a configuration lies beside the tensors); name a folder");
        }

        IReadOnlyList<string> files = isSingleFile ? [] : [.. AdapterLocation.TensorsWithConfig, AdapterConfigFile.Name];
        OutputChecks.Run(OutputPlace.Of(path), isSingleFile ? FileNature.File : FileNature.Folder, Output(options, files), files);
    }

    /// <summary>Writes an adapter in the layout it names: <see cref="Adapter.Layout"/>.</summary>
    /// <param name="adapter">The adapter.</param>
    /// <param name="path">A folder, or a file with one of the layout's endings.</param>
    /// <param name="options">What may be replaced, what is read, whether to flush.</param>
    /// <param name="cancellation">Stops between pieces; nothing is left then.</param>
    /// <returns>The bytes written.</returns>
    /// <exception cref="LoraKitException">It cannot be said in the layout, or not be written.</exception>
    public static long Save(Adapter adapter, string path, AdapterSaveOptions options, CancellationToken cancellation = default)
    {
        IAdapterLayout layout = Named(adapter.Layout);
        AdapterFiles files = layout.Write(adapter, path);
        CheckOutput(path, layout, files.IsSingleFile, options);
        AtomicOutputOptions outputOptions = Output(options, files.IsSingleFile ? [] : [.. files.Files.Select(file => file.RelativePath)]);
        using AtomicOutput output = files.IsSingleFile
            ? AtomicOutput.CreateSingle(path, outputOptions)
            : AtomicOutput.CreateFolder(path, outputOptions);
        foreach (AdapterFile file in files.Files)
        {
            file.WriteTo(output, files.IsSingleFile ? Path.GetFileName(path) : file.RelativePath, cancellation);
        }

        cancellation.ThrowIfCancellationRequested();
        output.Commit();
        return files.Bytes;
    }

    /// <summary>The metadata of an adapter's tensor file.</summary>
    /// <param name="path">A folder or a file.</param>
    /// <exception cref="LoraKitException">It does not exist, or cannot be read.</exception>
    internal static IReadOnlyDictionary<string, string> MetadataOf(string path)
    {
        ITensorSource file = TensorFiles.Open(AdapterLocation.Find(path).TensorFile);
        using IDisposable? open = file as IDisposable;
        return file.Metadata;
    }

    private static AtomicOutputOptions Output(AdapterSaveOptions options, IReadOnlyList<string> planned) => new()
    {
        Overwrite = options.Overwrite,
        Flush = options.Flush,
        Inputs = options.Inputs,
        PlannedFiles = planned,
    };

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
                ? $"{Printable.Text(source.Path)}: its keys look like {whose}, which no layout reads (read: "
                    + $"{string.Join(", ", layouts.Select(layout => layout.Name))})"
                : $"{Printable.Text(source.Path)}: is no adapter of a layout that is read "
                    + $"({string.Join(", ", layouts.Select(layout => layout.Name))}): {example}",
            source.Path);
    }
}
