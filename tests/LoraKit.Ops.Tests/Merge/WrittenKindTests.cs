using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge;

/// <summary>Kinds that one program's layout has, in another's: merged, they are what they were.</summary>
public sealed class WrittenKindTests
{
    public static IEnumerable<TheoryDataRow<string, string>> Cases() =>
        from name in KindConformanceTests.Names()
        from layout in (string[])["kohya", "lycoris"]
        where Held(name, layout).Count > 0
        select new TheoryDataRow<string, string>(name, layout);

    [Theory]
    [MemberData(nameof(Cases))]
    public void AnotherLayoutHasTheSameUpdates(string name, string layout)
    {
        using TempFolder temp = new();
        (string @base, string path, _) = KindConformanceTests.Files(name);
        TensorShape[] weights = [.. SafetensorsBytes.Read(@base).Values.Select(tensor => tensor.Shape)];
        using Adapter adapter = AdapterLayouts.Open(path);
        IAdapterLayout target = AdapterLayouts.Named(layout);
        string prefix = layout == "lycoris" ? "lycoris_" : "lora_";
        AdapterDelta[] updates = [.. adapter.Deltas.Where(delta => IsHeld(delta, target))];
        Adapter folded = target.Fold(new(path, layout, null) { Deltas = [.. updates.Select(delta => delta.Renamed(new(new(prefix + delta.Target.Module.Path.Replace('.', '_')), delta.Target.Parameter)))] });
        AdapterLayouts.Save(folded, temp["x.safetensors"], new());
        using Adapter back = AdapterLayouts.Open(temp["x.safetensors"]);
        Assert.Equal(layout, back.Layout);
        foreach (AdapterDelta delta in updates)
        {
            AdapterDelta written = back.Deltas.Single(d => d.Target.Module.Path == prefix + delta.Target.Module.Path.Replace('.', '_') && d.Target.Parameter == delta.Target.Parameter && d.Kind == delta.Kind);
            TensorShape shape = delta.Shape is { } known && delta.Fits(known) ? known : weights.First(delta.Fits);
            Random random = new(11);
            double[] weight = [.. Enumerable.Range(0, (int)shape.ElementCount).Select(_ => random.NextDouble() - 0.5)];
            (double[] expected, double[] actual) = (Rows(delta, shape, weight), Rows(written, shape, weight));
            double largest = expected.Max(Math.Abs);
            for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 1e-6 * largest);
        }
    }

    /// <summary>Of all PEFT's and LyCORIS' kinds, these are said in LyCORIS' files.</summary>
    [Fact]
    public void TheKindsThatAreHeldAreThese() => Assert.Equal(
        ["dense", "diag-oft", "glora", "ia3", "loha", "lokr", "lora"],
        KindConformanceTests.Names().SelectMany(name => Held(name, "lycoris")).Distinct().Order(StringComparer.Ordinal));

    /// <summary>W + ΔW, made with the update's factors where it is a product.</summary>
    private static double[] Rows(AdapterDelta delta, TensorShape shape, double[] weight)
    {
        if (delta is not LowRankDelta lora) return KindRows.Merge(delta, shape, weight);
        double[] product = Adapters.DeltaOracle.Product(lora.Up.ToDoubles(), lora.Down.ToDoubles(), (int)lora.OutFeatures, (int)lora.InFeatures, (int)lora.Rank, (int)lora.Rank, lora.Scale);
        return [.. weight.Zip(product, (w, d) => w + d)];
    }

    private static bool IsHeld(AdapterDelta delta, IAdapterLayout target) => target.Holds(delta) && !delta.IsEmbedding && delta is not LokrDelta { IsInnermost: true };

    private static List<string> Held(string name, string layout)
    {
        using Adapter adapter = AdapterLayouts.Open(KindConformanceTests.Files(name).Adapter);
        return [.. adapter.Deltas.Where(delta => IsHeld(delta, AdapterLayouts.Named(layout))).Select(delta => delta.Kind).Distinct()];
    }
}
