using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>An adapter file put together in memory, with seeded values, and what its program multiplies by.</summary>
internal sealed class FactorSample
{
    private readonly Dictionary<string, (MemorySource.Entry Entry, double[] Values)> _tensors = new(StringComparer.Ordinal);
    private readonly Random _random = new(29);

    public Dictionary<string, string> Metadata { get; } = [];

    public string? Config { get; init; }

    public string Container { get; init; } = "memory";

    public FactorSample Tensor(string name, DType dtype, params long[] shape)
    {
        double[] values = [.. Enumerable.Range(0, (int)new TensorShape(shape).ElementCount).Select(_ => Math.Round((_random.NextDouble() - 0.5) * 16) / 4)];
        return Values(name, dtype, shape, values);
    }

    public FactorSample Values(string name, DType dtype, long[] shape, params double[] values)
    {
        _tensors.Add(name, (new(name, dtype, new TensorShape(shape), new TestTensor(name, dtype, shape, values).Bytes()), values));
        return this;
    }

    /// <summary>Rows of the update [rows, columns] by the definition: scale · Σ left(o, r) · right(r, i).</summary>
    /// <param name="up">The tensor of the outputs.</param>
    /// <param name="down">The tensor of the inputs.</param>
    /// <param name="turned">Both lie [in, r] and [r, out], as one multiplies a row vector by them.</param>
    /// <param name="scale">The multiplier.</param>
    public double[] Product(string up, string down, bool turned, double scale)
    {
        (TensorShape b, TensorShape a) = (_tensors[up].Entry.Shape, _tensors[down].Entry.Shape);
        (int outs, int rank) = turned ? ((int)b[1], (int)b[0]) : ((int)b[0], (int)b[1]);
        int ins = (int)(turned ? a[0] : a[1]);
        double[] result = new double[outs * ins];
        for (int o = 0; o < outs; o++)
        {
            for (int i = 0; i < ins; i++)
            {
                for (int r = 0; r < rank; r++)
                {
                    double left = _tensors[up].Values[turned ? (r * outs) + o : (o * rank) + r];
                    double right = _tensors[down].Values[turned ? (i * rank) + r : (r * ins) + i];
                    result[(o * ins) + i] += scale * left * right;
                }
            }
        }

        return result;
    }

    /// <summary>The values of a tensor.</summary>
    public double[] this[string name] => _tensors[name].Values;

    /// <summary>The update of a module as the library holds it.</summary>
    public static double[] Update(Adapter adapter, string module)
    {
        AdapterDelta found = adapter.Deltas.Single(candidate => candidate.Target.Path == module + ".weight");
        LowRankDelta delta = (LowRankDelta)(found is MagnitudeDelta dora ? dora.Inner : found);
        double[] values = new double[delta.OutFeatures * delta.InFeatures];
        NaiveMerge.Add(values, new TensorShape(delta.OutFeatures, delta.InFeatures), delta);
        return values;
    }

    public Adapter Read()
    {
        AdapterSource source = new("a", new MemorySource([.. _tensors.Values.Select(tensor => tensor.Entry)]) { Metadata = Metadata, Path = "a.file", Container = Container },
            Config is null ? null : new AdapterConfig(JsonNode.Parse(Config)!.AsObject()), Config is null ? null : "adapter_config.json");
        return AdapterLayouts.Detect(source, AdapterLayouts.All).Read(source);
    }

    public T Fails<T>(string expected)
        where T : LoraKitException
    {
        T error = Assert.Throws<T>(Read);
        Assert.DoesNotContain('\n', error.Message);
        Assert.Contains(expected, error.Message);
        return error;
    }
}
