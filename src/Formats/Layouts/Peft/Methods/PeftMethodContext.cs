using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>What a method knows beside a module's own tensors.</summary>
/// <param name="Config">The configuration; <see cref="PeftConfig.Settings"/> has whatever is not LoRA's.</param>
/// <param name="Options">What the user said.</param>
/// <param name="Modules">All modules, in the order of the file.</param>
internal sealed record PeftMethodContext(PeftConfig Config, AdapterReadOptions Options, IReadOnlyList<PeftModule> Modules)
{
    /// <summary>Tensors that belong to no module, by <see cref="IPeftMethod.SharedTensors"/>; claimed.</summary>
    public required IReadOnlyDictionary<string, StoredTensor> Shared { get; init; }

    /// <summary>What is odd and does not stop the read.</summary>
    public required List<AdapterIssue> Issues { get; init; }

    public JsonSettings Settings => Config.Settings;

    /// <summary>Rank, alpha and their scale α/r (α/√r with <c>use_rslora</c>) by the configuration and its patterns.</summary>
    public ModuleScale ScaleOf(PeftModule module) => Config.ScaleOf(module.Name);

    /// <summary>A tensor that belongs to no module and must be there.</summary>
    /// <exception cref="InvalidAdapterException">It is not.</exception>
    public StoredTensor RequireShared(string name) => Shared.TryGetValue(name, out StoredTensor? tensor) ? tensor : throw new InvalidAdapterException(
        $"{Printable.Text(Settings.Path)}: the tensors have no {PeftKey.ModelPrefix}{name}; expected it beside the modules' own", Settings.Path);

    /// <summary>Refuses a method's adapter that was saved without its random projections.</summary>
    /// <exception cref="UnsupportedException">One of <see cref="IPeftMethod.SharedTensors"/> is missing.</exception>
    public void RequireProjections(IPeftMethod method)
    {
        if (method.SharedTensors.FirstOrDefault(name => !Shared.ContainsKey(name)) is not { } missing) return;
        throw new UnsupportedException(
            $"{Printable.Text(Settings.Path)}: the {method.Name} adapter was saved without {PeftKey.ModelPrefix}{missing}: PEFT would draw it from its generator in sizes that only the whole model tells; "
            + "save it again with save_projection=True", Settings.Path);
    }

    /// <summary>The configuration's rank must be the tensors': PEFT would not load them otherwise.</summary>
    /// <exception cref="InvalidAdapterException">It is another.</exception>
    public void RequireRank(PeftModule module, StoredTensor factor, int dimension)
    {
        ModuleScale said = ScaleOf(module);
        if (factor.Shape.Rank <= dimension || factor.Shape[dimension] == said.Rank) return;
        throw module.Wrong(
            $"'{Printable.Text(factor.Name)}' is {factor.Shape}, so rank {factor.Shape[dimension]}, but {Printable.Text(Settings.Path)} says {said.Rank} (from {said.RankOrigin})");
    }
}
