using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Adapters;

/// <summary>An update under another name is the same update: of every kind, with what is inside it and what else its tensors may mean.</summary>
public sealed class RenamedTests
{
    private static readonly ParameterName Name = new(new("other.place"), "weight");

    [Fact]
    public void Every_kind_keeps_its_values_and_nothing_of_its_name()
    {
        HashSet<Type> seen = [];
        foreach (string fixture in KindConformanceTests.Names())
        {
            (string @base, string path, _) = KindConformanceTests.Files(fixture);
            TensorShape[] weights = [.. SafetensorsBytes.Read(@base).Values.Select(tensor => tensor.Shape)];
            using Adapter adapter = AdapterLayouts.Open(path);
            foreach (AdapterDelta delta in adapter.Deltas.DistinctBy(delta => (delta.GetType(), delta.Shape)))
            {
                if (IsSame(delta, delta.Shape ?? weights.First(delta.Fits))) seen.Add(delta.GetType());
            }
        }

        foreach (AdapterDelta delta in WithoutFixture())
        {
            if (IsSame(delta, delta.Shape ?? new TensorShape(8, 8))) seen.Add(delta.GetType());
        }

        Assert.Empty(typeof(AdapterDelta).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(AdapterDelta)) && !type.IsAbstract).Except(seen));
    }

    [Fact]
    public void What_else_the_tensors_may_mean_is_of_the_same_module()
    {
        LowRankDelta first = Lora(new(new("m"), "gate")), second = Lora(new(new("m"), "down"));
        AdapterDelta delta = first.WithReadings([first, second]), renamed = delta.Renamed(new(new("n"), "gate"));
        Assert.Equal(["n.gate", "n.down"], renamed.Readings.Select(reading => reading.Target.Path));
        Assert.Same(renamed, renamed.Readings[0]);
        Assert.Equal(["m.gate", "m.down"], delta.Readings.Select(reading => reading.Target.Path));
    }

    /// <summary>Holds the copy to the update; false where it changes no weight, so that nothing is shown.</summary>
    private static bool IsSame(AdapterDelta delta, TensorShape shape)
    {
        ParameterName before = delta.Target;
        AdapterDelta renamed = delta.Renamed(Name);
        Assert.Equal((before, delta.GetType()), (delta.Target, renamed.GetType()));
        for (AdapterDelta? inner = renamed; inner is not null; inner = (inner as MagnitudeDelta)?.Inner ?? (inner as ResidualDelta)?.Lora)
        {
            Assert.Equal(Name, inner.Target);
        }

        Assert.Equal(delta.Tensors, renamed.Tensors);
        Assert.Equal(
            (delta.Kind, delta.Facts, delta.Shape, delta.Orientation, delta.SquareIsInOut, delta.IsEmbedding, delta.IsOptional),
            (renamed.Kind, renamed.Facts, renamed.Shape, renamed.Orientation, renamed.SquareIsInOut, renamed.IsEmbedding, renamed.IsOptional));
        if (delta is FactoredDelta factors)
        {
            // What merges multiply themselves.
            FactoredDelta same = (FactoredDelta)renamed;
            Assert.Equal((factors.Down, factors.Up, factors.Scale), (same.Down, same.Up, same.Scale));
            return true;
        }

        Random random = new(5);
        double[] weight = [.. Enumerable.Range(0, (int)shape.ElementCount).Select(_ => random.NextDouble() - 0.5)];
        double[] expected = KindRows.Merge(delta, shape, weight, -0.75);
        Assert.Equal(expected, KindRows.Merge(renamed, shape, weight, -0.75));
        return !weight.SequenceEqual(expected);
    }

    private static IEnumerable<AdapterDelta> WithoutFixture()
    {
        ParameterName target = new(new("m"), "weight");
        yield return new ResidualDelta(Lora(target), BasePart.Largest);
        yield return new BatDelta(target, Values(2, 4, 4));
        yield return new ButterflyDelta(target, Values(2, 2, 4, 4), null, null);
        yield return new SparseResidualDelta(target, new MemoryTensor("at", new TensorShape(2, 1), [1f, 2f]), Values(1), new(7, 5), 0.5);
        yield return new MergedLinearDelta(target, Values(2, 5), Values(4, 1, 1), [true, true], 0.5, 1);
    }

    private static LowRankDelta Lora(ParameterName target) => new(target, Values(2, 5), Values(7, 2), 0.5, 1);

    private static MemoryTensor Values(params long[] sizes)
    {
        Random random = new(sizes.Length);
        TensorShape shape = new(sizes);
        return new("values", shape, [.. Enumerable.Range(0, (int)shape.ElementCount).Select(_ => (float)random.NextDouble() - 0.5f)]);
    }
}
