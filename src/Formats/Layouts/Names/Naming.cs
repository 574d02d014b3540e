namespace LoraKit.Formats.Layouts.Names;

/// <summary>Whose names a model's modules have.</summary>
internal enum Naming : byte
{
    /// <summary>diffusers' and transformers' classes.</summary>
    Diffusers,

    /// <summary>The repository that the model came from: LDM, SGM, Black Forest Labs, OpenCLIP, …</summary>
    Original,

    /// <summary>ComfyUI's classes: the original's weights, some of them by other names.</summary>
    Comfy,
}
