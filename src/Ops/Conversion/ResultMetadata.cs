using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Layouts.Diffusers;
using LoraKit.Formats.Layouts.Kohya;
using LoraKit.Formats.Layouts.Names;

namespace LoraKit.Ops.Conversion;

/// <summary>
/// The header's metadata of a result: the source's where it stays true, what programs of the other layout look for, and what the user sets. Hashes, ranks and alphas are the writer's
/// to state. See spec/layouts/kohya.md, "Metadata".
/// </summary>
internal static class ResultMetadata
{
    private const string NetworkModule = "ss_network_module", Version = "ss_base_model_version", BaseName = "ss_sd_model_name";
    private const string Specification = "modelspec.architecture";

    /// <summary>What is true of one file alone.</summary>
    private static readonly string[] OfFile =
        [KohyaMetadata.ModelHash, KohyaMetadata.LegacyHash, KohyaMetadata.SpecHash, KohyaMetadata.Rank, KohyaMetadata.Alpha, DiffusersMetadata.Key];

    /// <summary>Layouts whose programs look for sd-scripts' <c>ss_</c> keys, and those in which they look for a ModelSpec.</summary>
    private static readonly string[] Trained = [KohyaLayout.KohyaName, KohyaLayout.LycorisName], Specified = [.. Trained, "comfy"];

    /// <param name="adapter">As it was read.</param>
    /// <param name="options">The layout, the output's name, and what the user sets.</param>
    /// <param name="architecture">Whose modules they are; null where names did not have to tell.</param>
    /// <param name="isConverted">Whether any update is of another kind now.</param>
    public static IReadOnlyDictionary<string, string> Of(Adapter adapter, ConvertOptions options, Architecture? architecture, bool isConverted)
    {
        bool isSame = adapter.Layout == options.Layout;
        Dictionary<string, string> metadata = isSame ? new(adapter.Metadata) : Carried(adapter, options.Layout);
        // Settings of a method that is none any more.
        if (isConverted && metadata.ContainsKey(NetworkModule)) (metadata[NetworkModule], metadata[KohyaMetadata.Arguments]) = (architecture?.NetworkModule ?? "networks.lora", KohyaMetadata.None);
        if (!isSame && architecture is not null)
        {
            if (Specified.Contains(options.Layout)) AddModelSpec(metadata, architecture, Path.GetFileNameWithoutExtension(options.Output.Path));
            if (Trained.Contains(options.Layout)) AddNetwork(metadata, adapter, architecture, options.Layout);
            if (adapter.Config is { } config && ComponentOf(adapter, options.Layout, architecture) is { } component) metadata[DiffusersMetadata.Key] = DiffusersMetadata.Pack(component, config);
        }

        foreach ((string key, string value) in options.Metadata) metadata[key] = value;
        return metadata;
    }

    /// <summary>What the source's metadata is to the configuration of a PEFT adapter; null where it says nothing of it.</summary>
    /// <param name="adapter">As it was read.</param>
    /// <param name="architecture">Whose modules they are.</param>
    public static AdapterConfig? Config(Adapter adapter, Architecture architecture)
    {
        string? component = architecture.Find(adapter.Deltas.FirstOrDefault()?.Target.Module.Path ?? "")?.Part.Name;
        if (component is not null && DiffusersMetadata.Unpack(adapter.Path, adapter.Metadata, component + ".") is { } config) return config;
        return adapter.Metadata.GetValueOrDefault(BaseName) is { Length: > 0 } name and not KohyaMetadata.None ? new AdapterConfig(new() { ["base_model_name_or_path"] = name }) : null;
    }

    /// <exception cref="InvalidOptionException">A key is one that is computed, or the layout has no metadata.</exception>
    public static void Check(ConvertOptions options)
    {
        if (options.Metadata.Count == 0) return;
        if (options.Metadata.Keys.FirstOrDefault(key => key.Length == 0 || key == "format" || OfFile.Contains(key)) is { } key)
        {
            throw new InvalidOptionException($"the metadata '{Printable.Text(key)}' cannot be set: {(key.Length == 0 ? "a key has a name" : "it is made of what is written")}");
        }

        if (!AdapterLayouts.Named(options.Layout).Endings.Contains(".safetensors"))
        {
            throw new InvalidOptionException($"the layout {options.Layout} has no metadata that could be set; leave it out");
        }
    }

    private static Dictionary<string, string> Carried(Adapter adapter, string layout) => layout == "peft"
        ? []
        : adapter.Metadata.Where(entry => !OfFile.Contains(entry.Key)).ToDictionary(StringComparer.Ordinal);

    /// <summary>What sd-scripts' own tools write of every LoRA.</summary>
    private static void AddNetwork(Dictionary<string, string> metadata, Adapter adapter, Architecture architecture, string layout)
    {
        if (!metadata.TryGetValue(Version, out string? version) || !architecture.BaseModelVersions.Contains(version, StringComparer.OrdinalIgnoreCase))
        {
            metadata[Version] = version = architecture.BaseModelVersions is [var usual, ..] ? usual : KohyaMetadata.None;
        }

        metadata["ss_v2"] = version.StartsWith("sd_v2", StringComparison.Ordinal) || version.StartsWith("sd_2", StringComparison.Ordinal) ? "True" : "False";
        metadata.TryAdd(NetworkModule, layout == KohyaLayout.LycorisName ? "lycoris.kohya" : architecture.NetworkModule);
        metadata.TryAdd(KohyaMetadata.Arguments, KohyaMetadata.None);
        // The writer finds them in the modules.
        metadata[KohyaMetadata.Rank] = metadata[KohyaMetadata.Alpha] = KohyaMetadata.None;
        if (adapter.Config?.BaseModel is { Length: > 0 } name) metadata.TryAdd(BaseName, name);
    }

    /// <summary>What ModelSpec 1.0.1 asks of every file, as far as it is known; a date is not. Source: sd-scripts (library/sai_model_spec.py).</summary>
    private static void AddModelSpec(Dictionary<string, string> metadata, Architecture architecture, string title)
    {
        if (architecture.ModelSpecs is not [var usual, ..]) return;
        string? stated = metadata.GetValueOrDefault(Specification);
        if (stated is null || !architecture.ModelSpecs.Contains(stated.Split('/')[0], StringComparer.OrdinalIgnoreCase))
        {
            // A model that predicts v is marked so in both of its names.
            bool predictsV = metadata.GetValueOrDefault(Version)?.EndsWith("_v", StringComparison.Ordinal) == true;
            stated = (architecture.ModelSpecs.FirstOrDefault(name => predictsV && name.EndsWith("-v", StringComparison.Ordinal)) ?? usual) + "/lora";
            metadata[Specification] = stated;
        }

        metadata.TryAdd("modelspec.sai_model_spec", "1.0.1");
        metadata.TryAdd("modelspec.implementation", architecture.Implementation);
        metadata.TryAdd("modelspec.title", metadata.GetValueOrDefault("ss_output_name") is { Length: > 0 } name and not KohyaMetadata.None ? name : title);
        metadata.TryAdd("modelspec.resolution", stated.Contains("-768", StringComparison.Ordinal) ? "768x768" : architecture.Resolution);
    }

    /// <summary>The one model of a pipeline that a PEFT adapter is of, where the layout has a place for its configuration.</summary>
    private static string? ComponentOf(Adapter adapter, string layout, Architecture architecture) => layout == DiffusersLayout.LayoutName
        ? architecture.Find(adapter.Deltas.FirstOrDefault()?.Target.Module.Path ?? "")?.Part.Spellings[layout].Prefix
        : null;
}
