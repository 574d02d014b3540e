using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Layouts.Names;
using LoraKit.Formats.Layouts.Names.Architectures;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Conversion;

/// <summary>
/// For every architecture and every pair of layouts that both have words for it: an adapter of all its modules goes from one to the other and back, and every key and every ΔW is kept; between
/// them, each ΔW is what naive loops make of it.
/// </summary>
public sealed class LayoutMatrixTests
{
    private const double Relative = 1e-6;
    private const int Blocks = 2;

    public static TheoryData<string, string, string> Pairs()
    {
        TheoryData<string, string, string> pairs = [];
        foreach (Architecture architecture in ArchitectureList.All)
        {
            string[] layouts = [.. architecture.Parts.SelectMany(part => part.Spellings.Keys).Distinct().Where(IsWritten)];
            foreach (string one in layouts)
            {
                foreach (string other in layouts.Where(other => other != one && Sayable(architecture, one, other).Count > 0)) pairs.Add(architecture.Name, one, other);
            }
        }

        return pairs;
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void There_and_back(string architecture, string one, string other)
    {
        using TempFolder folder = new();
        bool isScaled = Says(one, 0.75) && Says(other, 0.75);
        VocabularyWeight[] weights =
        [
            .. from part in Sayable(ArchitectureDetection.Named(architecture, ArchitectureList.All), one, other)
               from rule in part.Map.Rules
               from block in Enumerable.Range(0, rule.Original.Contains('#') ? Blocks : 1)
               select new VocabularyWeight(part, rule, block),
        ];
        LowRankDelta[][] updates = [.. weights.Select(weight => weight.Updates(weight.Part.Spellings[one], isScaled).ToArray())];
        string first = PathOf(folder, "first", one), between = PathOf(folder, "between", other), last = PathOf(folder, "last", one);
        Adapter adapter = new(first, one, file: null) { Deltas = [.. updates.SelectMany(update => update)] };
        AdapterLayouts.Save(AdapterLayouts.Named(one).Fold(adapter), first, new AdapterSaveOptions { Flush = false });
        Convert(first, between, other, architecture);
        Convert(between, last, one, architecture);

        Dictionary<string, double[]> expected = [], regrouped = [];
        foreach ((VocabularyWeight weight, LowRankDelta[] loras) in weights.Zip(updates))
        {
            double[][] products = [.. loras.Select(VocabularyWeight.Product)];
            PartSpelling from = weight.Part.Spellings[one], to = weight.Part.Spellings[other];
            foreach ((string name, double[] values) in weight.Names(from).Zip(products)) expected.Add(name, values);
            foreach ((string name, double[] values) in weight.Names(to).Zip(weight.Regrouped(products, from, to))) regrouped.Add(name, values);
        }

        AssertSame(expected, first);
        AssertSame(regrouped, between);
        AssertSame(expected, last);
    }

    /// <summary>What is known to be written is among the pairs: none goes missing unseen.</summary>
    [Fact]
    public void The_matrix_is_not_empty()
    {
        Assert.Superset(new HashSet<string> { "kohya", "lycoris", "diffusers", "peft" }, Pairs().Select(row => row.Data.Item2).ToHashSet());
        Assert.Equal(ArchitectureList.All.Select(architecture => architecture.Name).Order(), Pairs().Select(row => row.Data.Item1).Distinct().Order());
    }

    /// <summary>The parts that both have words for; PEFT's adapters are of one model.</summary>
    private static IReadOnlyList<ModelPart> Sayable(Architecture architecture, string one, string other)
    {
        IEnumerable<ModelPart> parts = architecture.Parts.Where(part => part.Spellings.ContainsKey(one) && part.Spellings.ContainsKey(other));
        return [.. one == "peft" || other == "peft" ? parts.Take(1) : parts];
    }

    private static bool IsWritten(string layout) => AdapterLayouts.All.Any(known => known.Name == layout) && Says(layout, 1);

    /// <summary>Whether the layout has words for a plain LoRA of a scale.</summary>
    private static bool Says(string layout, double scale)
    {
        MemoryTensor one = new("factor", new TensorShape([1, 1]), [1f]);
        Adapter plain = new("plain", layout, file: null) { Deltas = [new LowRankDelta(new ParameterName(new ModuleName("module"), "weight"), one, one, scale, scale)] };
        IAdapterLayout named = AdapterLayouts.Named(layout);
        return named.Limits(named.Fold(plain)).Count == 0;
    }

    private static string PathOf(TempFolder folder, string name, string layout) => folder[layout == "peft" ? name : name + ".safetensors"];

    private static void Convert(string adapter, string output, string layout, string architecture) =>
        Converting.Run(Converting.Options(adapter, output) with { Layout = layout, Architecture = architecture });

    private static void AssertSame(Dictionary<string, double[]> expected, string path)
    {
        using Adapter adapter = AdapterLayouts.Open(path);
        Dictionary<string, double[]> given = adapter.Deltas.Cast<LowRankDelta>().ToDictionary(lora => lora.Target.Module.Path, VocabularyWeight.Product);
        Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), given.Keys.Order(StringComparer.Ordinal));
        foreach ((string name, double[] values) in expected)
        {
            Assert.Equal(values.Length, given[name].Length);
            double largest = values.Max(Math.Abs), error = values.Zip(given[name], (x, y) => Math.Abs(x - y)).Max();
            Assert.True(error <= Relative * largest, $"{name} in {Path.GetFileName(path)}: {error} of {largest}");
        }
    }
}
