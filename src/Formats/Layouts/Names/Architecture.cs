namespace LoraKit.Formats.Layouts.Names;

/// <summary>A family of models: its parts, how to tell it from others, and what metadata calls it.</summary>
internal sealed record Architecture
{
    /// <summary>The name users type: <c>sdxl</c>.</summary>
    public required string Name { get; init; }

    /// <summary>The denoiser, then the text encoders.</summary>
    public required IReadOnlyList<ModelPart> Parts { get; init; }

    /// <summary>sd-scripts' <c>ss_base_model_version</c>, the usual one first.</summary>
    public IReadOnlyList<string> BaseModelVersions { get; init; } = [];

    /// <summary><c>modelspec.architecture</c> without <c>/lora</c>, the usual one first.</summary>
    public IReadOnlyList<string> ModelSpecs { get; init; } = [];

    /// <summary><c>modelspec.implementation</c>.</summary>
    public string Implementation { get; init; } = "diffusers";

    /// <summary><c>modelspec.resolution</c>, where an adapter does not state its own.</summary>
    public string Resolution { get; init; } = "1024x1024";

    /// <summary>sd-scripts' <c>ss_network_module</c> of plain LoRA.</summary>
    public string NetworkModule { get; init; } = "networks.lora";

    /// <summary>How well shapes and the choice of modules fit, among architectures that have all the names: positive for, negative against.</summary>
    public Func<IReadOnlyList<FoundModule>, int> Evidence { get; init; } = _ => 0;

    /// <summary>A module's part and place; null where it is nothing of this architecture.</summary>
    public (ModelPart Part, NamePlace Place)? Find(string module)
    {
        foreach (ModelPart part in Parts)
        {
            if (part.Find(module) is { } place) return (part, place);
        }

        return null;
    }
}

/// <summary>A module that an architecture has, as evidence.</summary>
/// <param name="Name">As the file spells it.</param>
/// <param name="Part">Whose it is.</param>
/// <param name="Place">Which it is.</param>
/// <param name="Outputs">The weight's rows; null where the file does not tell.</param>
/// <param name="Inputs">Its columns; null where the file does not tell.</param>
/// <param name="Rank">The dimensions of the weight; null where the file does not tell.</param>
internal sealed record FoundModule(string Name, ModelPart Part, NamePlace Place, long? Outputs, long? Inputs, int? Rank);
