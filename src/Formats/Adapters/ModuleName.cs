namespace LoraKit.Formats.Adapters;

/// <summary>
/// The dotted path of a module as the trainer's model named it (<c>model.layers.0.self_attn.q_proj</c>): no framework prefix, no
/// <c>.weight</c>. Compared ordinally.
/// </summary>
/// <param name="Path">The path; empty for the model itself.</param>
public readonly record struct ModuleName(string Path) : IComparable<ModuleName>
{
    /// <summary>The last component: <c>q_proj</c>.</summary>
    public string Leaf => Path[(Path.LastIndexOf('.') + 1)..];

    /// <inheritdoc/>
    public int CompareTo(ModuleName other) => string.CompareOrdinal(Path, other.Path);

    /// <inheritdoc/>
    public override string ToString() => Path;
}

/// <summary>A parameter of a module: where an update goes.</summary>
/// <param name="Module">The module.</param>
/// <param name="Parameter">The parameter's own name: <c>weight</c>, <c>bias</c>, <c>in_proj_weight</c>, …</param>
public readonly record struct ParameterName(ModuleName Module, string Parameter)
{
    /// <summary>The full dotted name: the tensor's name in a model saved by the same code.</summary>
    public string Path => Module.Path.Length == 0 ? Parameter : $"{Module.Path}.{Parameter}";

    /// <summary>What reports call the update of it: the module, with the parameter's name where that is not <c>weight</c>.</summary>
    public string Label => Parameter == "weight" ? Module.Path : Path;

    /// <inheritdoc/>
    public override string ToString() => Path;
}
