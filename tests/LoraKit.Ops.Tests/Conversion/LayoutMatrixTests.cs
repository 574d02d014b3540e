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
            string[] layouts = [.. AdapterLayouts.All.Select(layout => layout.Name)];
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
        Architecture whose = ArchitectureDetection.Named(architecture, ArchitectureList.All);
        IReadOnlyList<ModelPart> parts = Sayable(whose, one, other);
        bool isScaled = Says(parts[0], one, 0.75) && Says(parts[0], other, 0.75);
        VocabularyWeight[] weights =
        [
            .. from part in parts
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

    /// <summary>What is known to be written is among the pairs, with every denoiser: none goes missing unseen.</summary>
    [Fact]
    public void None_is_missing() => Assert.All(ArchitectureList.All, architecture =>
        Assert.All(["kohya", "lycoris", "diffusers", "peft"], layout => Assert.Contains(Sayable(architecture, layout, layout), part => part.IsDenoiser)));

    /// <summary>The parts that both have words for; PEFT's adapters are of one model.</summary>
    private static IReadOnlyList<ModelPart> Sayable(Architecture architecture, string one, string other)
    {
        IEnumerable<ModelPart> parts = architecture.Parts.Where(part => Says(part, one, 1) && Says(part, other, 1));
        return [.. one == "peft" || other == "peft" ? parts.Take(1) : parts];
    }

    /// <summary>Whether the layout has names for the part, and words for a plain LoRA of a scale.</summary>
    private static bool Says(ModelPart part, string layout, double scale)
    {
        if (!part.Spellings.TryGetValue(layout, out PartSpelling? spelling)) return false;
        ModuleName module = new(spelling.Spell(part.Map.Rules[0].Name(spelling.Naming, 0, ["0"])));
        MemoryTensor one = new("factor", new TensorShape([1, 1]), [1f]);
        Adapter plain = new("plain", layout, file: null) { Deltas = [new LowRankDelta(new ParameterName(module, "weight"), one, one, scale, scale)] };
        IAdapterLayout? known = AdapterLayouts.All.FirstOrDefault(known => known.Name == layout);
        return known is not null && known.Limits(known.Fold(plain)).Count == 0;
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
