using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Extract;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Extract;

/// <summary>A base and a model tuned from it, in two folders, and what an extraction makes of them.</summary>
internal sealed class TunedModel(TempFolder folder)
{
    private readonly List<TestTensor> _base = [];
    private readonly List<TestTensor> _tuned = [];

    public string BasePath => folder["base"];

    public string TunedPath => folder["tuned"];

    public string OutputPath => folder["adapter"];

    public Random Random { get; } = new(7);

    /// <summary>A tensor of both models.</summary>
    public TunedModel Add(string name, DType type, long[] shape, double[] before, double[] after, DType? tunedType = null)
    {
        _base.Add(new(name, type, shape, before));
        _tuned.Add(new(name, tunedType ?? type, shape, after));
        return this;
    }

    /// <summary>A matrix whose update is low-rank plus some noise, in the stored types.</summary>
    public TunedModel Matrix(string name, DType type, long[] shape, int rank, double noise = 0, DType? tunedType = null)
    {
        int rows = (int)shape[0], columns = (int)shape.Skip(1).Aggregate(1L, (a, b) => a * b);
        double[] before = PeftFolder.Values(Random, rows * columns, type), after = [.. before];
        double[] left = PeftFolder.Values(Random, rows * rank, DType.F64), right = PeftFolder.Values(Random, rank * columns, DType.F64);
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
            {
                double sum = noise * ((Random.NextDouble() * 2) - 1);
                for (int k = 0; k < rank; k++) sum += left[(i * rank) + k] * right[(k * columns) + j] / (k + 1);
                after[(i * columns) + j] = Merging.Rounded(after[(i * columns) + j] + (0.1 * sum), tunedType ?? type);
            }
        }

        return Add(name, type, shape, before, after, tunedType);
    }

    /// <summary>A tensor that did not change.</summary>
    public TunedModel Same(string name, DType type, params long[] shape)
    {
        double[] values = PeftFolder.Values(Random, (int)shape.Aggregate(1L, (a, b) => a * b), type);
        return Add(name, type, shape, values, values);
    }

    public TunedModel AddToBase(string name, DType type, long[] shape, double[] values)
    {
        _base.Add(new(name, type, shape, values));
        return this;
    }

    public TunedModel AddToTuned(string name, DType type, long[] shape, double[] values)
    {
        _tuned.Add(new(name, type, shape, values));
        return this;
    }

    public TunedModel Save(string? config = null)
    {
        SafetensorsBytes.Write(folder["base", "model.safetensors"], _base);
        SafetensorsBytes.Write(folder["tuned", "model.safetensors"], _tuned);
        if (config is not null) File.WriteAllText(folder["base", "config.json"], config);
        return this;
    }

    public ExtractOptions Options => new()
    {
        Base = BasePath,
        Tuned = TunedPath,
        Output = new AdapterOutput(OutputPath) { Flush = false },
    };

    public static ExtractReport Run(ExtractOptions options, ICompute? compute = null)
    {
        using ExtractPlan plan = ExtractPlan.Create(options);
        return plan.Run(compute ?? new SimdCompute());
    }

    /// <summary>The base with the adapter merged in, in F32.</summary>
    public Dictionary<string, double[]> Merged()
    {
        string merged = folder["merged"];
        Merging.Run(Merging.Options(BasePath, OutputPath, merged) with { OutputType = DType.F32, Overwrite = true });
        return SafetensorsBytes.Read(Path.Combine(merged, "model.safetensors")).ToDictionary(t => t.Key, t => t.Value.Values);
    }

    /// <summary>‖tuned − values‖ / ‖tuned − base‖ of one tensor.</summary>
    public double ErrorOf(string name, double[] values)
    {
        double[] before = _base.Single(t => t.Name == name).Values, after = _tuned.Single(t => t.Name == name).Values;
        return Math.Sqrt(after.Zip(values, (t, v) => (t - v) * (t - v)).Sum() / after.Zip(before, (t, b) => (t - b) * (t - b)).Sum());
    }

    /// <summary>The best error of any matrix of that rank, from the exact decomposition.</summary>
    public double BestErrorOf(string name, int rank)
    {
        TestTensor before = _base.Single(t => t.Name == name), after = _tuned.Single(t => t.Name == name);
        int rows = (int)before.Shape[0], columns = before.Values.Length / rows;
        double[] identity = new double[columns * columns];
        for (int i = 0; i < columns; i++) identity[(i * columns) + i] = 1;
        using SimdCompute compute = new();
        using ILowRankSvd svd = compute.Decompose(
            new LowRankProduct(rows, columns, columns, [.. after.Values.Zip(before.Values, (t, b) => t - b)], identity));
        return Math.Sqrt(svd.SingularValues.Skip(rank).Sum(s => s * s) / svd.SingularValues.Sum(s => s * s));
    }
}
