using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Kohya;

/// <summary>The tensors of one module, by their endings; each that is asked for is claimed.</summary>
internal sealed class KohyaTensors(ModuleName name, KohyaContext context)
{
    private readonly Dictionary<string, TensorInfo> _tensors = new(StringComparer.Ordinal);
    private readonly HashSet<string> _claimed = new(StringComparer.Ordinal);

    public ModuleName Name { get; } = name;

    /// <summary>What is known beside the module.</summary>
    public KohyaContext Context { get; } = context;

    /// <summary>The module's weight.</summary>
    public ParameterName Weight => new(Name, "weight");

    /// <summary>The module's bias.</summary>
    public ParameterName Bias => new(Name, "bias");

    /// <summary>The endings that nothing has asked for, in the file's order.</summary>
    public IEnumerable<string> Left => _tensors.Keys.Where(ending => !_claimed.Contains(ending));

    public bool Has(string ending) => _tensors.ContainsKey(ending);

    /// <summary>A tensor's shape, without claiming it; null where the module has none of this ending.</summary>
    public TensorShape? ShapeOf(string ending) => _tensors.TryGetValue(ending, out TensorInfo? info) ? info.Shape : null;

    /// <summary>Takes a tensor as understood; null where the module has none of this ending.</summary>
    public StoredTensor? Find(string ending)
    {
        if (!_tensors.TryGetValue(ending, out TensorInfo? info)) return null;
        _claimed.Add(ending);
        return Context.Ledger.Claim(info);
    }

    /// <summary>Takes a tensor that must be there, and have values.</summary>
    /// <exception cref="InvalidAdapterException">It is not, or it has none.</exception>
    public StoredTensor Require(string ending)
    {
        StoredTensor found = Find(ending) ?? throw Wrong($"has {string.Join(", ", _tensors.Keys)}, but no {ending}; expected all of its parts");
        AdapterDelta.RequireValues(Weight, found);
        return found;
    }

    /// <summary>The number of a tensor that has one; null where the module has none of this ending.</summary>
    /// <exception cref="InvalidAdapterException">It has more, or it is NaN or infinite.</exception>
    public double? Number(string ending) => Find(ending) is { } tensor ? KohyaAlpha.Read(Name, tensor, ending) : null;

    /// <summary>Says why a tensor will be left.</summary>
    public void Leave(string ending, string why)
    {
        if (_tensors.TryGetValue(ending, out TensorInfo? info)) Context.Ledger.Leave(info, why);
    }

    /// <summary>What a module that contradicts itself is refused with.</summary>
    public InvalidAdapterException Wrong(string what) => new($"{Printable.Text(Context.File)}: module '{Printable.Text(Name.Path)}' {what}", Context.File, Name.Path);

    /// <summary>What a module of a kind that is not read is refused with.</summary>
    public UnsupportedException Unread(string what) => new($"{Printable.Text(Context.File)}: module '{Printable.Text(Name.Path)}' {what}", Context.File, Name.Path);

    /// <exception cref="InvalidAdapterException">There is one already, under another spelling.</exception>
    internal void Add(string ending, TensorInfo info)
    {
        if (_tensors.TryAdd(ending, info)) return;
        throw Wrong($"has '{Printable.Text(_tensors[ending].Name)}' and '{Printable.Text(info.Name)}', which are the same tensor; expected one of them");
    }
}
