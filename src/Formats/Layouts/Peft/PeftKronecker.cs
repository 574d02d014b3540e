using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>
/// The settings by which PEFT makes LoKr's factors of the sizes that they have: it derives them from the weight's, <c>decompose_factor</c> and the
/// rank, and loads no others. Source: PEFT, tuners/lokr/layer.py.
/// </summary>
internal sealed class PeftKronecker
{
    private const long LargestKernel = 1024;

    private readonly long _factor;
    private readonly bool _isBoth;
    private readonly bool _hasCore;

    private PeftKronecker(long factor, bool isBoth, IReadOnlyList<LokrDelta> updates, PeftConfig? stated)
    {
        (_factor, _isBoth, _hasCore) = (factor, isBoth, updates.Any(update => update.Second.Down is TuckerDown));
        Modules = [.. updates.Select(update => new RankedModule(update.Target.Module, RankOf(update, stated), update.Scale))];
    }

    /// <summary>The modules, with ranks of which their factors are made; one that is in full may have any that is high enough.</summary>
    public IReadOnlyList<RankedModule> Modules { get; }

    /// <summary>The settings for all of these; null where there are none.</summary>
    /// <param name="updates">One for each module.</param>
    /// <param name="config">What training said, where it did: preferred.</param>
    public static PeftKronecker? Of(IReadOnlyList<LokrDelta> updates, AdapterConfig? config)
    {
        PeftConfig? stated = (string?)(config?.Json["peft_type"] as JsonValue) == PeftKinds.Lokr ? new(config!, AdapterConfigFile.Name) : null;
        IEnumerable<long> factors = [stated?.Settings.WholeNumber("decompose_factor", -1) ?? -1, -1, .. updates.SelectMany(update => new[] { update.First.Shape[0], update.First.Shape[1] }).Order()];
        bool isAnyFactored = updates.Any(update => update.First.Down is not null);
        foreach (long factor in factors.Distinct())
        {
            foreach (bool isBoth in isAnyFactored ? (bool[])[true] : stated?.Settings.Flag("decompose_both") == true ? [true, false] : [false])
            {
                PeftKronecker settings = new(factor, isBoth, updates, stated);
                if (updates.Zip(settings.Modules).All(pair => settings.Makes(pair.First, pair.Second.Rank))) return settings;
            }
        }

        return null;
    }

    public void Set(JsonObject config)
    {
        config["decompose_factor"] = _factor;
        config["decompose_both"] = _isBoth;
        config["use_effective_conv2d"] = _hasCore;
    }

    private long RankOf(LokrDelta update, PeftConfig? stated)
    {
        if ((update.Second.Down ?? update.First.Down) is { } down) return TuckerDown.Stored(down).Shape[0];
        long second = (long)Math.Ceiling(Largest(update, LargestInputs(update)) / 2.0), first = _isBoth ? (long)Math.Ceiling(Math.Max(update.First.Shape[0], update.First.Shape[1]) / 2.0) : 1;
        long least = Math.Max(1, Math.Max(first, second));
        return stated?.ScaleOf(update.Target.Module).Rank is { } rank && rank >= least ? rank : least;
    }

    private bool Makes(LokrDelta update, long rank)
    {
        (KroneckerFactor first, KroneckerFactor second) = (update.First, update.Second);
        if (update.IsInnermost != (second.Down is null && second.Up.Shape.Rank == 3)) return false;
        bool isFirstFull = !(_isBoth && rank < Math.Max(first.Shape[0], first.Shape[1]) / 2.0);
        if (isFirstFull != first.Down is null || first.Down is TuckerDown || (first.Down?.Shape[0] ?? rank) != rank) return false;
        if (second.Down is TuckerDown core && (core.Mid.Shape[0] != rank || core.Mid.Shape[1] != rank)) return false;
        if (Factorization(first.Shape[0] * second.Shape[0]) != first.Shape[0]) return false;
        return Inputs(update).Any(inputs => Factorization(first.Shape[1] * inputs) == first.Shape[1] && rank >= Largest(update, inputs) / 2.0 == second.Down is null);
    }

    private static long Largest(LokrDelta update, long inputs) => Math.Max(update.Second.Shape[0], inputs);

    private static long LargestInputs(LokrDelta update) => update.Second.Shape[1];

    /// <summary>How many inputs W₂ may have: of a product whose kernel lies flat in its columns, only the base knows.</summary>
    private static IEnumerable<long> Inputs(LokrDelta update)
    {
        long columns = update.Second.Shape[1];
        if (update.Second.Down is null or TuckerDown || update.Second.Shape.Rank > 2) return [columns];
        return from kernel in Enumerable.Range(1, (int)Math.Min(columns, LargestKernel)) where columns % kernel == 0 select columns / kernel;
    }

    /// <summary>PEFT's factorization(): the factor where it divides, else the largest divisor up to it and to the root.</summary>
    private long Factorization(long dimension)
    {
        if (_factor > 0 && dimension % _factor == 0) return _factor;
        long divisor = (long)Math.Min(Math.Sqrt(dimension), _factor == -1 ? dimension : Math.Max(_factor, 1));
        while (dimension % divisor != 0) divisor--;
        return divisor;
    }
}
