using System.Globalization;
using System.Text.Json.Nodes;
using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;

namespace LoraKit.Ops.Stack.PeftSemantics;

/// <summary>
/// What <c>add_weighted_adapter</c> decides for whole adapters, before it looks at any module. It decides by the configurations, and so does this:
/// the one place where an operation reads what training said.
/// </summary>
internal static class PeftCombinationRules
{
    /// <summary>The options as PEFT takes them: a single adapter is always combined as <c>linear</c>.</summary>
    public static PeftCombinationOptions Effective(PeftCombinationOptions options, int adapters) =>
        adapters == 1 ? options with { Type = PeftCombinationType.Linear } : options;

    /// <summary>Refuses what PEFT refuses, and what it would turn into NaN.</summary>
    /// <exception cref="InvalidOptionException">The density is missing, negative or not a number, or the rank is below 1.</exception>
    public static void Check(PeftCombinationOptions options)
    {
        if (options.SvdRank is < 1) throw new InvalidOptionException($"the rank is {options.SvdRank}; expected 1 or more");
        if (!options.Type.Prunes()) return;
        string name = options.Type.PeftName();
        if (options.Density is not { } density) throw new InvalidOptionException($"PEFT's {name} needs a density, from 0 to 1");
        if (!(density >= 0) || (density == 0 && options.Type.IsRandom()))
        {
            throw new InvalidOptionException(string.Create(
                CultureInfo.InvariantCulture, $"the density is {density}; PEFT's {name} needs one {(options.Type.IsRandom() ? "above 0 (it divides by it)" : "from 0 on")}, at most 1"));
        }
    }

    /// <summary>An adapter's rank as PEFT counts it: the largest of <c>r</c> and the values of <c>rank_pattern</c>.</summary>
    public static int Rank(Adapter adapter)
    {
        long most = adapter.Deltas.OfType<LowRankDelta>().Select(d => d.Rank).DefaultIfEmpty().Max();
        if (adapter.Config?.Json is { } config && config["peft_type"] is not null)
        {
            // PEFT's own default where the file says nothing.
            long said = Whole(config["r"]) ?? 8;
            IEnumerable<long> patterns = config["rank_pattern"] is JsonObject pattern ? pattern.Select(p => Whole(p.Value)).OfType<long>() : [];
            most = patterns.Append(said).Max();
        }

        return most is > 0 and <= int.MaxValue
            ? (int)most
            : throw new InvalidAdapterException($"{Printable.Text(adapter.Path)}: its rank is {most}; expected 1 or more", adapter.Path);
    }

    /// <summary>The result's rank: the sum for <c>cat</c>, the wanted or the largest with an SVD, else the one that all adapters have.</summary>
    /// <param name="options">The options.</param>
    /// <param name="ranks">The adapters' ranks, from <see cref="Rank"/>.</param>
    /// <exception cref="InvalidOptionException">The ranks differ where they have to agree, or their sum is too large.</exception>
    public static int NewRank(PeftCombinationOptions options, IReadOnlyList<int> ranks)
    {
        if (options.Type.IsSvd()) return options.SvdRank ?? ranks.Max();
        if (options.Type == PeftCombinationType.Cat)
        {
            long sum = ranks.Sum(r => (long)r);
            return sum <= int.MaxValue ? (int)sum : throw new InvalidOptionException($"the ranks add up to {sum}, which is too much");
        }

        return ranks.Distinct().Count() == 1
            ? ranks[0]
            : throw new InvalidOptionException(
                $"the adapters have ranks {string.Join(", ", ranks)}; PEFT's {options.Type.PeftName()} needs them equal: choose cat or a type with an SVD, or exact semantics");
    }

    /// <summary>
    /// The scale that a reader sees in the result, whose configuration is the first adapter's with r = lora_alpha = new rank: 1, or √(new rank) where that one
    /// says <c>use_rslora</c>. PEFT 0.20 over-scales so.
    /// </summary>
    public static double ResultScale(Adapter first, int newRank) =>
        first.Config?.Json["use_rslora"] is JsonValue value && value.TryGetValue(out bool stabilized) && stabilized ? Math.Sqrt(newRank) : 1;

    private static long? Whole(JsonNode? node) => node is JsonValue value && value.TryGetValue(out long number) ? number : null;
}
