using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Factors;

/// <summary>A layout of pairs of factors that only other programs write: read, and not written.</summary>
/// <param name="name">What users type.</param>
/// <param name="parse">Takes a tensor's name apart; a factor tells the layout.</param>
internal abstract class ReadPairsLayout(string name, Func<TensorInfo, FactorKey> parse) : IAdapterLayout
{
    /// <inheritdoc/>
    public string Name => name;

    /// <inheritdoc/>
    public IReadOnlyList<string> Rules =>
    [
        "all: the layout is read, and not written",
    ];

    /// <inheritdoc/>
    public LayoutMatch Detect(AdapterSource source) => source.Tensors.Tensors.Any(tensor => parse(tensor).IsFactor) ? LayoutMatch.Certain : LayoutMatch.No;

    /// <inheritdoc/>
    public Adapter Read(AdapterSource source)
    {
        KeyLedger ledger = new(source.Tensors);
        List<AdapterDelta> deltas = [.. FactorPair.Group(source.Tensors.Path, source.Tensors.Tensors.Select(parse)).SelectMany(module => Deltas(module, ledger))];
        ledger.Close();
        return new Adapter(source.Path, name, source) { Deltas = deltas, Metadata = source.Tensors.Metadata };
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> Limits(Adapter adapter) => ["the layout is read, and not written; name another"];

    /// <inheritdoc/>
    public AdapterFiles Write(Adapter adapter) => throw LayoutLimits.Refusal(adapter, Limits(adapter));

    /// <summary>The updates of one module; every tensor that is understood is claimed.</summary>
    private protected abstract IEnumerable<AdapterDelta> Deltas(FactorPair module, KeyLedger ledger);
}
