using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;

namespace LoraKit.Ops.Stack;

/// <summary>
/// The modules of several adapters, matched by name: their union, in the order in which they first appear. A module that only some
/// have is combined from those.
/// </summary>
internal sealed class StackAlignment
{
    private readonly Dictionary<ParameterName, List<(int Adapter, AdapterDelta Delta)>> _byTarget = [];
    private readonly List<ParameterName> _order = [];
    private readonly IReadOnlyList<Adapter> _adapters;
    private readonly IReadOnlyList<AdapterInput> _inputs;
    private readonly List<string> _clashes = [];

    /// <exception cref="TargetMismatchException">Updates of one module that do not fit each other; all of them are listed.</exception>
    /// <exception cref="UnsupportedException">An update that is neither low-rank nor dense, or factors that are together more than an array holds.</exception>
    public StackAlignment(IReadOnlyList<Adapter> adapters, IReadOnlyList<AdapterInput> inputs)
    {
        (_adapters, _inputs) = (adapters, inputs);
        for (int i = 0; i < adapters.Count; i++) Add(i);
        Modules = [.. _order.Where(IsLowRank).Select(Module)];
        Sums = [.. _order.Where(target => !IsLowRank(target)).Select(Sum)];
        if (_clashes.Count > 0)
        {
            throw new TargetMismatchException($"{_clashes.Count} module{(_clashes.Count == 1 ? "" : "s")} of the adapters cannot be combined", _clashes);
        }
    }

    /// <summary>The low-rank updates.</summary>
    public IReadOnlyList<StackedModule> Modules { get; }

    /// <summary>The dense ones: trained biases and full differences.</summary>
    public IReadOnlyList<DenseSum> Sums { get; }

    private void Add(int adapter)
    {
        PlainLora.Of(_adapters[adapter]);
        HashSet<ParameterName> seen = [];
        foreach (AdapterDelta delta in _adapters[adapter].Deltas)
        {
            string where = $"{Printable.Text(_adapters[adapter].Path)}: module '{Printable.Text(delta.Target.Module.Path)}'";
            if (!seen.Add(delta.Target))
            {
                throw new UnsupportedException($"{where} has several updates of '{Printable.Text(delta.Target.Parameter)}'; expected one", _adapters[adapter].Path, delta.Target.Path);
            }

            if (!_byTarget.TryGetValue(delta.Target, out List<(int, AdapterDelta)>? parts))
            {
                _byTarget[delta.Target] = parts = [];
                _order.Add(delta.Target);
            }

            parts.Add((adapter, delta));
        }
    }

    private bool IsLowRank(ParameterName target) => _byTarget[target][0].Delta is LowRankDelta;

    private StackedModule Module(ParameterName target)
    {
        StackedModule module = new(
            target, [.. Fitting<LowRankDelta>(target, Fits).Select(part => new StackedPart(part.Adapter, _inputs[part.Adapter].Weight, part.Delta))]);
        return module.SumOfRanks * Math.Max((long)module.Rows, module.Columns) <= Array.MaxLength ? module : throw new UnsupportedException(
            $"module '{Printable.Text(target.Path)}': ranks of {module.SumOfRanks} in all on {module.Rows} × {module.Columns} are more than "
            + "fit in memory; reduce the adapters' ranks first", tensor: target.Path);
    }

    private DenseSum Sum(ParameterName target) =>
        new(target, [.. Fitting<DenseDelta>(target, (a, b) => a.Values.Shape == b.Values.Shape).Select(part => (_inputs[part.Adapter].Weight, part.Delta))]);

    private IEnumerable<(int Adapter, T Delta)> Fitting<T>(ParameterName target, Func<T, T, bool> fit)
        where T : AdapterDelta
    {
        (int firstAdapter, AdapterDelta first) = _byTarget[target][0];
        foreach ((int adapter, AdapterDelta delta) in _byTarget[target])
        {
            if (delta is T own && fit((T)first, own))
            {
                yield return (adapter, own);
                continue;
            }

            _clashes.Add(
                $"'{Printable.Text(target.Path)}': {Words(first)} in {Printable.Text(_adapters[firstAdapter].Path)}, but {Words(delta)} in "
                + Printable.Text(_adapters[adapter].Path));
        }
    }

    private static bool Fits(LowRankDelta one, LowRankDelta two) =>
        FactorShapes.Down(one, 1) == FactorShapes.Down(two, 1) && FactorShapes.Up(one, 1) == FactorShapes.Up(two, 1)
        && one.IsEmbedding == two.IsEmbedding && one.Orientation == two.Orientation
        && (one.Orientation != WeightOrientation.FromShape || one.OutFeatures != one.InFeatures || one.SquareIsInOut == two.SquareIsInOut);

    private static string Words(AdapterDelta delta) => delta switch
    {
        LowRankDelta { IsEmbedding: true } embedding => $"an embedding {Shape(embedding)}",
        LowRankDelta lowRank => $"an update {Shape(lowRank)}{(lowRank.SquareIsInOut || lowRank.Orientation == WeightOrientation.InOut ? " of a weight stored [in, out]" : "")}",
        DenseDelta dense => $"a dense update {dense.Values.Shape}",
        _ => delta.Kind,
    };

    private static TensorShape Shape(LowRankDelta delta) => new([delta.OutFeatures, .. delta.Down.Shape.Sizes.AsSpan()[1..]]);
}
