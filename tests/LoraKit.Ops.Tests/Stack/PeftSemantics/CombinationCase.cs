using System.Text.Json;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Stack.PeftSemantics;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Stack.PeftSemantics;

/// <summary>One call of PEFT's <c>add_weighted_adapter</c>, and what PEFT made of it.</summary>
internal sealed class CombinationCase : IDisposable
{
    private readonly List<Adapter> _adapters = [];

    public CombinationCase(string name)
    {
        string folder = Paths.Fixture("peft-combine", name);
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "case.json")));
        JsonElement root = json.RootElement;
        Weights = [.. root.GetProperty("weights").EnumerateArray().Select(w => w.GetDouble())];
        for (int i = 0; i < Weights.Length; i++) _adapters.Add(AdapterLayouts.Open(Path.Combine(folder, $"a{i}")));
        Expected = AdapterLayouts.Open(Path.Combine(folder, "expected"));
        string type = root.GetProperty("combination_type").GetString()!;
        Options = new(Enum.GetValues<PeftCombinationType>().Single(t => t.PeftName() == type))
        {
            SvdRank = root.TryGetProperty("svd_rank", out JsonElement rank) ? rank.GetInt32() : null,
            Density = root.TryGetProperty("density", out JsonElement density) ? density.GetDouble() : null,
            MajoritySign = root.TryGetProperty("majority_sign_method", out JsonElement sign) && sign.GetString() == "frequency"
                ? PeftMajoritySign.Frequency
                : PeftMajoritySign.Total,
        };
        NewRank = PeftCombinationRules.NewRank(Options, [.. _adapters.Select(PeftCombinationRules.Rank)]);
    }

    public double[] Weights { get; }

    public PeftCombinationOptions Options { get; }

    public int NewRank { get; }

    public Adapter Expected { get; }

    public IEnumerable<LowRankDelta> Modules => Expected.Deltas.Cast<LowRankDelta>();

    public IReadOnlyList<LowRankDelta> Of(LowRankDelta module) =>
        [.. _adapters.Select(a => a.Deltas.OfType<LowRankDelta>().Single(d => d.Target == module.Target))];

    /// <summary>What the library makes of a module, in the canonical form.</summary>
    public LowRankDelta Combine(LowRankDelta module, ICompute compute, PeftUniform uniform, int? newRank = null)
    {
        IReadOnlyList<LowRankDelta> parts = Of(module);
        PeftTerm[] terms = [.. parts.Select((d, i) => new PeftTerm(PeftFactors.Of(d), d.Scale, Weights[i]))];
        int rank = newRank ?? NewRank;
        return PeftCombination.Combine(module.Target.Module.Path, terms, Options, rank, compute, uniform)
            .ToDelta(parts[0], PeftCombinationRules.ResultScale(_adapters[0], rank));
    }

    public void Dispose()
    {
        _adapters.ForEach(a => a.Dispose());
        Expected.Dispose();
    }

    /// <summary>scale · B · A, in F64.</summary>
    public static double[] Update(LowRankDelta delta)
    {
        double[] up = delta.Up.ToDoubles(), down = delta.Down.ToDoubles();
        int rows = (int)delta.OutFeatures, columns = (int)delta.InFeatures;
        return [.. Oracle.AddProduct(new double[rows * columns], up, down, rows, columns, (int)delta.Rank).Values.Select(v => v * delta.Scale)];
    }
}
