using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Stack;
using LoraKit.Ops.Tests.Adapters;
using LoraKit.Ops.Tests.Merge;

namespace LoraKit.Ops.Tests.Stack;

/// <summary>Makes adapters for tests, runs stacks, and reads updates as plain matrices.</summary>
internal static class Stacking
{
    /// <summary>A PEFT adapter of linear modules with random factors.</summary>
    public static string Adapter(
        string folder, int seed, int rank, double alpha, DType dtype, params ReadOnlySpan<(string Module, int Out, int In)> modules)
    {
        PeftFolder adapter = new(folder, rank, alpha);
        Random random = new(seed);
        foreach ((string module, int @out, int @in) in modules) adapter.Linear(module, @out, @in, random, dtype);
        return adapter.Save();
    }

    public static StackOptions Options(string output, string method, params IReadOnlyList<AdapterInput> adapters) =>
        new() { Adapters = adapters, Output = new AdapterOutput(output) { Flush = false }, Method = method };

    public static StackReport Run(StackOptions options, ICompute? compute = null)
    {
        using StackPlan plan = StackPlan.Create(options);
        return plan.Run(compute ?? new SimdCompute());
    }

    /// <summary>Every update of an adapter: scale · B · A by naive loops, kernels flattened, by the full name of what it updates.</summary>
    public static Dictionary<string, double[,]> Updates(string path)
    {
        using Adapter adapter = AdapterLayouts.Open(path);
        return adapter.Deltas.OfType<LowRankDelta>().ToDictionary(delta => delta.Target.Path, Update);
    }

    public static double[,] Update(LowRankDelta delta)
    {
        (int rows, int columns, int rank) = ((int)delta.OutFeatures, (int)delta.InFeatures, (int)delta.Rank);
        double[] update = DeltaOracle.Product(delta.Up.ToDoubles(), delta.Down.ToDoubles(), rows, columns, rank, rank, delta.Scale);
        return Map(new double[rows, columns], (_, i, j) => update[(i * columns) + j]);
    }

    /// <summary>Every module's weighted updates, one per adapter that has it.</summary>
    public static Dictionary<string, List<double[,]>> Tasks(params IReadOnlyList<AdapterInput> adapters)
    {
        Dictionary<string, List<double[,]>> tasks = [];
        foreach (AdapterInput input in adapters)
        {
            foreach ((string name, double[,] update) in Updates(input.Path))
            {
                if (!tasks.TryGetValue(name, out List<double[,]>? list)) tasks[name] = list = [];
                list.Add(Map(update, (x, _, _) => input.Weight * x));
            }
        }

        return tasks;
    }

    public static double[,] Map(double[,] matrix, Func<double, int, int, double> f)
    {
        double[,] result = new double[matrix.GetLength(0), matrix.GetLength(1)];
        for (int i = 0; i < result.GetLength(0); i++)
        {
            for (int j = 0; j < result.GetLength(1); j++) result[i, j] = f(matrix[i, j], i, j);
        }

        return result;
    }

    public static double[,] Sum(IReadOnlyList<double[,]> matrices) => Map(matrices[0], (_, i, j) => matrices.Sum(m => m[i, j]));

    public static double[,] Multiply(double[,] a, double[,] b)
    {
        double[,] product = new double[a.GetLength(0), b.GetLength(1)];
        for (int i = 0; i < a.GetLength(0); i++)
        {
            for (int j = 0; j < b.GetLength(1); j++)
            {
                for (int k = 0; k < a.GetLength(1); k++) product[i, j] += a[i, k] * b[k, j];
            }
        }

        return product;
    }

    public static double[,] Transpose(double[,] matrix)
    {
        double[,] result = new double[matrix.GetLength(1), matrix.GetLength(0)];
        for (int i = 0; i < result.GetLength(0); i++)
        {
            for (int j = 0; j < result.GetLength(1); j++) result[i, j] = matrix[j, i];
        }

        return result;
    }

    public static double Norm(double[,] matrix) => Math.Sqrt(matrix.Cast<double>().Sum(x => x * x));

    public static double Distance(double[,] one, double[,] two) => Norm(Map(one, (x, i, j) => x - two[i, j]));

    /// <summary>Equal to within a fraction of the expected norm.</summary>
    public static void AssertClose(double[,] expected, double[,] actual, double tolerance = 1e-6)
    {
        Assert.Equal((expected.GetLength(0), expected.GetLength(1)), (actual.GetLength(0), actual.GetLength(1)));
        double error = Distance(expected, actual), norm = Norm(expected);
        Assert.True(error <= tolerance * norm, $"‖error‖ = {error:R} where ‖expected‖ = {norm:R}");
    }
}
