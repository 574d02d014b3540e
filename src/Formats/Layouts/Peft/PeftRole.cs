namespace LoraKit.Formats.Layouts.Peft;

/// <summary>What a tensor of a PEFT file is. See spec/layouts/peft.md, "Keys".</summary>
internal enum PeftRole : byte
{
    /// <summary>A parameter of the base's own, by its plain name: <c>X.weight</c>.</summary>
    Parameter,

    /// <summary>A parameter of the layer inside an adapter's wrapper: <c>X.base_layer.weight</c>.</summary>
    BaseLayer,

    /// <summary>A parameter of a module saved in full: <c>X.modules_to_save.weight</c>.</summary>
    SavedModule,

    /// <summary><c>lora_A.weight</c>.</summary>
    LoraA,

    /// <summary><c>lora_B.weight</c>.</summary>
    LoraB,

    /// <summary><c>lora_B.bias</c>.</summary>
    LoraBias,

    /// <summary><c>lora_embedding_A</c>.</summary>
    EmbeddingA,

    /// <summary><c>lora_embedding_B</c>.</summary>
    EmbeddingB,

    /// <summary><c>lora_magnitude_vector</c>: DoRA's.</summary>
    Magnitude,

    /// <summary><c>lora_diag</c>: KaSA's.</summary>
    Diagonal,

    /// <summary><c>trainable_tokens_delta</c>: rows of single tokens.</summary>
    TokenRows,

    /// <summary>A tensor of another method than LoRA, by <see cref="Methods.IPeftMethod.ModuleTensors"/>.</summary>
    MethodTensor,

    /// <summary>A tensor of such a method that belongs to no module.</summary>
    SharedTensor,

    /// <summary>Needed for training only.</summary>
    Ignored,

    /// <summary>Part of another method.</summary>
    Refused,
}
