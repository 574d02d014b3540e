using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>The tensors of one module under a method, by the names of <see cref="IPeftMethod.ModuleTensors"/>.</summary>
internal sealed class PeftModule(ModuleName name, string file, KeyLedger ledger)
{
    private readonly Dictionary<string, TensorInfo> _tensors = new(StringComparer.Ordinal);

    public ModuleName Name { get; } = name;

    /// <summary>The module's weight.</summary>
    public ParameterName Weight => new(Name, "weight");

    /// <summary>The module's bias.</summary>
    public ParameterName Bias => new(Name, "bias");

    public bool Has(string tensor) => _tensors.ContainsKey(tensor);

    /// <summary>Takes a tensor as understood; null where the module has none of this name.</summary>
    public StoredTensor? Find(string tensor) => _tensors.TryGetValue(tensor, out TensorInfo? info) ? ledger.Claim(info) : null;

    /// <summary>Takes a tensor that must be there.</summary>
    /// <exception cref="InvalidAdapterException">It is not.</exception>
    public StoredTensor Require(string tensor) => Find(tensor) ?? throw new InvalidAdapterException(
        $"{Printable.Text(file)}: module '{Printable.Text(Name.Path)}' has {string.Join(", ", _tensors.Keys)}, but no {tensor}; expected all of its parts", file, Name.Path);

    /// <summary>What a module that contradicts itself or the configuration is refused with.</summary>
    public InvalidAdapterException Wrong(string what) => new($"{Printable.Text(file)}: module '{Printable.Text(Name.Path)}': {what}", file, Name.Path);

    internal void Add(string tensor, TensorInfo info)
    {
        if (_tensors.TryAdd(tensor, info)) return;
        throw new InvalidAdapterException(
            $"{Printable.Text(file)}: '{Printable.Text(_tensors[tensor].Name)}' and '{Printable.Text(info.Name)}' are the same tensor of module '{Printable.Text(Name.Path)}'; expected one of them",
            file, info.Name);
    }
}
