namespace LoraKit.Formats.Layouts.Names;

/// <summary>One model of a pipeline (the denoiser, a text encoder): its vocabulary, and how each layout and each kind of checkpoint spells it.</summary>
internal sealed class ModelPart
{
    private ModelPart(string name, NameMap map) => (Name, Map) = (name, map);

    /// <summary>diffusers' name of it: <c>unet</c>, <c>transformer</c>, <c>text_encoder_2</c>.</summary>
    public string Name { get; }

    /// <summary>Its modules.</summary>
    public NameMap Map { get; }

    /// <summary>Whether it is the denoiser.</summary>
    public bool IsDenoiser { get; private init; }

    /// <summary>How layouts write it, by their names; a layout that is not there has no words for it.</summary>
    public required IReadOnlyDictionary<string, PartSpelling> Spellings { get; init; }

    /// <summary>Other spellings that files have.</summary>
    public required IReadOnlyList<PartSpelling> Readings { get; init; }

    /// <summary>What the names of a base's tensors begin with; empty for a file of this part alone.</summary>
    public required IReadOnlyList<string> BasePrefixes { get; init; }

    /// <summary>A denoiser.</summary>
    /// <param name="name"><c>unet</c> or <c>transformer</c>.</param>
    /// <param name="map">Its modules.</param>
    /// <param name="kohya">Whose names sd-scripts and its like use.</param>
    public static ModelPart Denoiser(string name, NameMap map, Naming kohya = Naming.Original) => new(name, map)
    {
        IsDenoiser = true,
        Spellings = new Dictionary<string, PartSpelling>
        {
            ["kohya"] = new("lora_unet_", kohya, true),
            ["lycoris"] = new("lycoris_", Naming.Diffusers, true),
            ["diffusers"] = new(name + ".", Naming.Diffusers, false),
            ["diffusers-old"] = new(name + ".", Naming.Diffusers, false),
            ["comfy"] = new("diffusion_model.", Naming.Comfy, false),
            ["peft"] = new("", Naming.Diffusers, false),
        },
        Readings =
        [
            new("oft_unet_", kohya, true), new("lora_unet__", kohya, true), new("lora_transformer_", Naming.Diffusers, true),
            new("base_model.model.", Naming.Diffusers, false), new("model.diffusion_model.", Naming.Original, false),
            new("unet.", Naming.Diffusers, false), new("transformer.", Naming.Diffusers, false), new("transformer_2.", Naming.Diffusers, false),
        ],
        BasePrefixes = ["model.diffusion_model.", "diffusion_model.", name + ".", "model.", ""],
    };

    /// <summary>A part of the denoiser's file that diffusers has as a model of its own, all under the same names.</summary>
    /// <param name="name">diffusers' name of it.</param>
    /// <param name="map">Its modules.</param>
    /// <param name="module">Where it is in the denoiser.</param>
    public static ModelPart Within(string name, NameMap map, string module) => new(name, map)
    {
        Spellings = new Dictionary<string, PartSpelling>
        {
            ["kohya"] = new($"lora_unet_{module}_", Naming.Original, true),
            ["diffusers"] = new(name + ".", Naming.Diffusers, false),
            ["diffusers-old"] = new(name + ".", Naming.Diffusers, false),
            ["comfy"] = new($"diffusion_model.{module}.", Naming.Comfy, false),
        },
        Readings = [],
        BasePrefixes = [$"model.diffusion_model.{module}.", $"diffusion_model.{module}.", name + ".", module + "."],
    };

    /// <summary>A text encoder that has one name for each module everywhere, or is in checkpoints alone by others.</summary>
    /// <param name="name"><c>text_encoder</c>, <c>text_encoder_2</c>, …</param>
    /// <param name="map">Its modules.</param>
    /// <param name="kohya">sd-scripts' prefix: <c>lora_te1_</c>; null where sd-scripts and its like do not train it.</param>
    /// <param name="comfy">ComfyUI's name of it: <c>clip_l</c>.</param>
    /// <param name="basePrefixes">What single-file checkpoints put before it.</param>
    /// <param name="others">Other prefixes of flattened names: OneTrainer's.</param>
    public static ModelPart TextEncoder(string name, NameMap map, string? kohya, string comfy, IReadOnlyList<string> basePrefixes, params string[] others) => new(name, map)
    {
        Spellings = new Dictionary<string, PartSpelling>(TextSpellings(name, kohya, comfy, Naming.Diffusers)) { ["peft"] = new("", Naming.Diffusers, false) },
        Readings =
        [
            .. others.Select(prefix => new PartSpelling(prefix, Naming.Diffusers, true)),
            new("lycoris_", Naming.Diffusers, true), new("base_model.model.", Naming.Diffusers, false), new(comfy + ".transformer.", Naming.Diffusers, false),
        ],
        BasePrefixes = [.. basePrefixes, name + ".", $"text_encoders.{comfy}.transformer.", comfy + ".transformer.", ""],
    };

    /// <summary>A text encoder that is a language model: never without its prefix, so that adapters of language models are not taken for adapters of images.</summary>
    /// <param name="name"><c>text_encoder</c>, …</param>
    /// <param name="map">Its modules.</param>
    /// <param name="kohya">sd-scripts' prefix: <c>lora_te_</c>; null where sd-scripts and its like do not train it.</param>
    /// <param name="comfy">ComfyUI's name of it: <c>gemma2_2b</c>.</param>
    public static ModelPart LanguageModel(string name, NameMap map, string? kohya, string comfy) => new(name, map)
    {
        Spellings = TextSpellings(name, kohya, comfy, Naming.Comfy),
        Readings = [new("lora_te_", Naming.Diffusers, true), new("lora_te1_", Naming.Diffusers, true), new(comfy + ".transformer.", Naming.Comfy, false)],
        BasePrefixes = [name + ".", $"text_encoders.{comfy}.transformer.", comfy + ".transformer."],
    };

    /// <summary>What a module is in this part; null where it is nothing of it.</summary>
    /// <param name="module">As a file spells it.</param>
    public NamePlace? Find(string module)
    {
        foreach (PartSpelling spelling in Spellings.Values.Concat(Readings).OrderByDescending(spelling => spelling.Prefix.Length))
        {
            if (!module.StartsWith(spelling.Prefix, StringComparison.Ordinal)) continue;
            if (Map.Find(module[spelling.Prefix.Length..], spelling.IsFlattened, spelling.Naming) is [var place, ..]) return place;
        }

        return null;
    }

    private static Dictionary<string, PartSpelling> TextSpellings(string name, string? kohya, string comfy, Naming inComfy)
    {
        Dictionary<string, PartSpelling> spellings = new()
        {
            ["diffusers"] = new(name + ".", Naming.Diffusers, false),
            ["diffusers-old"] = new(name + ".", Naming.Diffusers, false),
            ["comfy"] = new($"text_encoders.{comfy}.transformer.", inComfy, false),
        };
        if (kohya is not null) spellings.Add("kohya", new(kohya, Naming.Diffusers, true));
        return spellings;
    }
}
