using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Stack.PeftSemantics;

/// <summary>What PEFT 0.20's <c>add_weighted_adapter</c> computes. See spec/algebra.md, "PEFT's combinations".</summary>
internal sealed class PeftStacker : IModuleStacker
{
    private readonly PeftCombinationOptions _options;
    private readonly int _rank;
    private readonly double _scale;
    private readonly long _seed;

    /// <param name="options">What was asked.</param>
    /// <param name="adapters">All inputs: PEFT decides ranks by their configurations.</param>
    /// <exception cref="LoraKitException">PEFT has no such combination, or refuses it.</exception>
    public PeftStacker(StackOptions options, IReadOnlyList<Adapter> adapters)
    {
        PeftCombinationOptions asked = new(Type(options.Method))
        {
            SvdRank = options.Rank,
            Density = options.Density,
            MajoritySign = options.Sign == SignElection.Frequency ? PeftMajoritySign.Frequency : PeftMajoritySign.Total,
        };
        Refuse(options, asked.Type);
        PeftCombinationRules.Check(asked);
        _options = PeftCombinationRules.Effective(asked, adapters.Count);
        _rank = PeftCombinationRules.NewRank(_options, [.. adapters.Select(PeftCombinationRules.Rank)]);
        _scale = PeftCombinationRules.ResultScale(adapters[0], _rank);
        _seed = options.Seed ?? 0;
    }

    public int RankAtMost(StackedModule module) => _rank;

    public string LessMemory => _options.Type.FormsUpdates() ? "combine the adapters with exact semantics" : "reduce the adapters' ranks first";

    public void Check(StackedModule module) => PeftCombination.CheckSize(module.Target.Path, module.Rows, module.Columns, _options, _rank);

    public long WorkingBytes(StackedModule module)
    {
        long elements = _options.Type.FormsUpdates()
            ? (long)module.Rows * module.Columns * (module.Parts.Count + 2)
            : ((long)module.Rows + module.Columns) * (module.SumOfRanks + _rank);
        return 2 * sizeof(float) * elements;
    }

    public StackedUpdate Stack(StackedModule module, ICompute compute, int threads, CancellationToken cancellation)
    {
        PeftTerm[] terms = [.. module.Parts.Select(part => new PeftTerm(PeftFactors.Of(part.Delta), part.Delta.Scale, part.Weight))];
        CounterRandom[] random = [.. module.Parts.Select(part => new CounterRandom(_seed, module.Target.Path, part.Adapter))];
        // A and B are drawn apart: one has the even places, the other the odd ones.
        PeftFactors combined = PeftCombination.Combine(
            module.Target.Path, terms, _options, _rank, compute, (adapter, tensor, element) => random[adapter].Uniform((2 * element) + tensor));
        return new StackedUpdate(combined.ToDelta(module.First, _scale), null, 0);
    }

    private static PeftCombinationType Type(string name)
    {
        string peft = name.Replace('-', '_');
        PeftCombinationType[] types = Enum.GetValues<PeftCombinationType>();
        foreach (PeftCombinationType type in types)
        {
            if (type.PeftName() == peft) return type;
        }

        throw new InvalidOptionException(
            $"'{Printable.Text(name)}' is no combination type of PEFT; expected one of {string.Join(", ", types.Select(type => type.PeftName()))}");
    }

    private static void Refuse(StackOptions options, PeftCombinationType type)
    {
        string who = $"PEFT's {type.PeftName()}";
        StackSetting used = (type.Prunes() ? StackSetting.Density : 0) | (type.Elects() ? StackSetting.Sign : 0) | (type.IsRandom() ? StackSetting.Seed : 0);
        StackSettings.RefuseUnused(options, used, who);
        if (options.Energy is not null) throw new InvalidOptionException($"{who} has no use for energy; leave it out");
        if (options.Rank is not null && !type.IsSvd()) throw new InvalidOptionException($"{who} has no use for rank; leave it out");
        if (options.Output.ElementType != FactorType.Exact)
        {
            throw new InvalidOptionException($"{who} decides the element type by itself; leave it out");
        }
    }
}
