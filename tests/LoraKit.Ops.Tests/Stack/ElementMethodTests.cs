using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Stack;
using LoraKit.Ops.Tests.Compute;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Stack;

/// <summary>Methods on the elements of ΔW, and on its coordinates in the core space, against their definitions on dense matrices.</summary>
public sealed class ElementMethodTests
{
    private const double Density = 0.4;
    private const double Lambda = 1.5;
    private const long Seed = 42;

    /// <summary>A method by its definition: from the tasks and what element e of task t is drawn, to the combined matrix.</summary>
    private delegate double[,] Definition(IReadOnlyList<double[,]> tasks, Func<int, long, double> draw);

    private static readonly Dictionary<string, Definition> Definitions = new()
    {
        ["ties"] = (tasks, _) => Mean([.. tasks.Select(t => Keep(t, Density))], byCount: false),
        ["ties-frequency"] = (tasks, _) => Mean([.. tasks.Select(t => Keep(t, Density))], byCount: true),
        ["magnitude-prune"] = (tasks, _) => Stacking.Sum([.. tasks.Select(t => Keep(t, Density))]),
        ["dare-linear"] = (tasks, draw) => Stacking.Sum([.. tasks.Select((t, n) => Dare(t, e => draw(n, e)))]),
        ["dare-ties"] = (tasks, draw) => Mean([.. tasks.Select((t, n) => Dare(t, e => draw(n, e)))], byCount: false),
        ["della"] = (tasks, draw) => Mean([.. tasks.Select((t, n) => DellaDrop(t, 0.15, e => draw(n, e)))], byCount: false),
        ["breadcrumbs"] = (tasks, _) => Stacking.Sum([.. tasks.Select(t => Crumbs(t, 0.01))]),
        ["sce"] = (tasks, _) => Sce(tasks),
    };

    public static IEnumerable<TheoryDataRow<string, string>> Cases() =>
        from method in Definitions.Keys
        from backend in ComputeBackends.Names
        select new TheoryDataRow<string, string>(method, backend);

    [Theory]
    [MemberData(nameof(Cases))]
    public void On_dense_elements_each_method_is_its_definition(string method, string backend)
    {
        using TempFolder temp = new();
        using ICompute compute = ComputeBackends.Create(backend);
        AdapterInput[] inputs = Inputs(temp);
        StackReport report = Stacking.Run(Options(temp, method, inputs) with { Rank = 40 }, compute);
        Dictionary<string, double[,]> actual = Stacking.Updates(temp["out"]);
        foreach ((string name, List<double[,]> tasks) in Stacking.Tasks(inputs))
        {
            int[] adapters = name == "q.weight" ? [0, 1, 2] : [0, 2];
            double[,] expected = Definitions[method](tasks, (t, e) => new CounterRandom(Seed, name, adapters[t]).Uniform(e));
            Stacking.AssertClose(Stacking.Map(expected, (x, _, _) => Lambda * x), actual[name]);
        }

        Assert.True(report.RelativeError < 1e-7);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void In_the_core_space_each_method_is_its_definition_there(string method, string backend)
    {
        using TempFolder temp = new();
        using ICompute compute = ComputeBackends.Create(backend);
        AdapterInput[] inputs = Inputs(temp);
        StackReport report = Stacking.Run(Options(temp, method, inputs) with { Space = StackSpace.Core }, compute);
        Dictionary<string, double[,]> actual = Stacking.Updates(temp["out"]);
        foreach ((string name, List<double[,]> tasks) in Stacking.Tasks(inputs))
        {
            int[] adapters = name == "q.weight" ? [0, 1, 2] : [0, 2];
            (double[,] left, double[,] right) = Bases(name, inputs);
            double[][,] cores = [.. tasks.Select(t => Stacking.Multiply(Stacking.Multiply(Stacking.Transpose(left), t), right))];
            double[,] merged = Definitions[method](cores, (t, e) => new CounterRandom(Seed, name, adapters[t]).Uniform(e));
            double[,] expected = Stacking.Multiply(Stacking.Multiply(left, merged), Stacking.Transpose(right));
            Stacking.AssertClose(Stacking.Map(expected, (x, _, _) => Lambda * x), actual[name]);
        }

        Assert.All(report.Modules, m => Assert.True(m.RankAfter <= m.Ranks.Sum()));
    }

    [Theory]
    [InlineData("magnitude-prune")]
    [InlineData("dare-linear")]
    public void Where_nothing_is_dropped_both_spaces_give_the_sum(string method)
    {
        using TempFolder temp = new();
        AdapterInput[] inputs = Inputs(temp);
        foreach (StackSpace space in Enum.GetValues<StackSpace>())
        {
            StackReport report = Stacking.Run(Stacking.Options(temp[$"{space}"], method, inputs) with { Density = 1, Space = space });
            Dictionary<string, double[,]> actual = Stacking.Updates(temp[$"{space}"]);
            foreach ((string name, List<double[,]> tasks) in Stacking.Tasks(inputs)) Stacking.AssertClose(Stacking.Sum(tasks), actual[name]);
            Assert.All(report.Modules, m => Assert.Equal(m.Ranks.Sum(), m.RankAfter));
        }
    }

    // Above the size whose whole spectrum is computed, the factors come from a sketch; its error is reported as it is.
    [Theory]
    [InlineData(5, null)]
    [InlineData(null, 0.05)]
    [InlineData(null, null)]
    public void A_large_module_is_cut_with_the_error_that_is_reported(int? rank, double? energy)
    {
        using TempFolder temp = new();
        int size = DenseUpdate.LargestWhole + 5;
        Stacking.Adapter(temp["a"], 1, 3, 6, DType.F32, ("q", size, size + 20));
        Stacking.Adapter(temp["b"], 2, 4, 2, DType.F32, ("q", size, size + 20));
        AdapterInput[] inputs = [new(temp["a"]), new(temp["b"], -2)];
        StackReport report = Stacking.Run(Stacking.Options(temp["out"], "ties", inputs) with { Density = 0.3, Rank = rank, Energy = energy });
        StackedModuleReport module = Assert.Single(report.Modules);
        if (energy is null) Assert.Equal(rank ?? 7, module.RankAfter);
        double[,] expected = Mean([.. Stacking.Tasks(inputs)["q.weight"].Select(t => Keep(t, 0.3))], byCount: false);
        double error = Stacking.Distance(expected, Stacking.Updates(temp["out"])["q.weight"]) / Stacking.Norm(expected);
        Assert.Equal(error, module.RelativeError!.Value, 1e-6);
        Assert.True(energy is null || error * error <= 1 - energy);
    }

    [Fact]
    public void A_frequency_that_is_tied_is_decided_by_the_sum()
    {
        using TempFolder temp = new();
        foreach ((string name, float[] values) in ((string, float[])[])[("a", [3, -3, 1, 0]), ("b", [-1, 1, 1, 0])])
        {
            Merge.PeftFolder adapter = new(temp[name], 1, 1);
            adapter.Add("base_model.model.q.lora_A.weight", DType.F32, [1, 4], [.. values.Select(v => (double)v)]);
            adapter.Add("base_model.model.q.lora_B.weight", DType.F32, [1, 1], [1]);
            adapter.Save();
        }

        Stacking.Run(Stacking.Options(temp["out"], "ties", new(temp["a"]), new(temp["b"])) with { Density = 1, Sign = SignElection.Frequency });
        Assert.Equal([3, -3, 1, 0], Stacking.Updates(temp["out"])["q.weight"].Cast<double>().Select(v => Math.Round(v, 6)));
    }

    private static AdapterInput[] Inputs(TempFolder temp)
    {
        Stacking.Adapter(temp["a"], 1, 3, 12, DType.F32, ("q", 23, 31), ("k", 12, 9));
        Stacking.Adapter(temp["b"], 2, 5, 2.5, DType.F32, ("q", 23, 31));
        Stacking.Adapter(temp["c"], 3, 2, 7, DType.F32, ("k", 12, 9), ("q", 23, 31));
        return [new(temp["a"], 0.7), new(temp["b"], -0.5), new(temp["c"], 1.25)];
    }

    private static StackOptions Options(TempFolder temp, string method, AdapterInput[] inputs)
    {
        string name = method.Replace("-frequency", "");
        return Stacking.Options(temp["out"], name, inputs) with
        {
            Density = Density,
            Lambda = Lambda,
            Seed = name is "dare-linear" or "dare-ties" or "della" ? Seed : null,
            Sign = method == name ? null : SignElection.Frequency,
        };
    }

    // U_B and V_A from dense SVDs of the factors side by side, weight and scale in B; largest entry of each u positive.
    private static (double[,] Left, double[,] Right) Bases(string name, AdapterInput[] inputs)
    {
        List<double[,]> ups = [], downs = [];
        foreach (AdapterInput input in inputs)
        {
            using Formats.Adapters.Adapter adapter = Formats.Layouts.AdapterLayouts.Open(input.Path);
            if (adapter.Deltas.FirstOrDefault(d => d.Target.Path == name) is not Formats.Adapters.LowRankDelta delta) continue;
            double[] up = delta.Up.ToDoubles(), down = delta.Down.ToDoubles();
            int rank = (int)delta.Rank, columns = (int)delta.InFeatures;
            ups.Add(Stacking.Map(new double[delta.OutFeatures, rank], (_, i, k) => input.Weight * delta.Scale * up[(i * rank) + k]));
            downs.Add(Stacking.Map(new double[columns, rank], (_, j, k) => down[(k * columns) + j]));
        }

        return (Basis(ups), Basis(downs));

        static double[,] Basis(List<double[,]> parts)
        {
            (int part, int column)[] places = [.. parts.SelectMany((p, n) => Enumerable.Range(0, p.GetLength(1)).Select(k => (n, k)))];
            double[,] u = NaiveSvd.Of(Stacking.Map(new double[parts[0].GetLength(0), places.Length], (_, i, k) => parts[places[k].part][i, places[k].column])).U;
            double[] signs = [.. Enumerable.Range(0, u.GetLength(1)).Select(k =>
                Enumerable.Range(0, u.GetLength(0)).Select(i => u[i, k]).MaxBy(Math.Abs) < 0 ? -1.0 : 1.0)];
            return Stacking.Map(u, (x, _, k) => x * signs[k]);
        }
    }

    private static double[,] Keep(double[,] matrix, double density)
    {
        double[] sorted = [.. matrix.Cast<double>().Select(Math.Abs).OrderDescending()];
        double threshold = sorted[(int)(density * sorted.Length) - 1];
        return Stacking.Map(matrix, (x, _, _) => Math.Abs(x) >= threshold ? x : 0);
    }

    private static double[,] Dare(double[,] matrix, Func<long, double> draw) =>
        Stacking.Map(matrix, (x, i, j) => draw((i * matrix.GetLength(1)) + j) < Density ? x / Density : 0);

    private static double[,] DellaDrop(double[,] matrix, double epsilon, Func<long, double> draw)
    {
        int columns = matrix.GetLength(1);
        return Stacking.Map(matrix, (x, i, j) =>
        {
            int smaller = Enumerable.Range(0, columns).Count(k => Math.Abs(matrix[i, k]) < Math.Abs(x));
            double keep = Density - epsilon + (2 * epsilon * smaller / (columns - 1));
            return draw((i * columns) + j) < keep ? x / keep : 0;
        });
    }

    private static double[,] Crumbs(double[,] matrix, double gamma)
    {
        double[] sorted = [.. matrix.Cast<double>().Select(Math.Abs).OrderDescending()];
        int outliers = (int)(gamma * sorted.Length);
        double high = outliers == 0 ? double.PositiveInfinity : sorted[outliers - 1];
        double low = sorted[outliers + (int)(Density * sorted.Length) - 1];
        return Stacking.Map(matrix, (x, _, _) => Math.Abs(x) < high && Math.Abs(x) >= low ? x : 0);
    }

    private static double[,] Mean(IReadOnlyList<double[,]> tasks, bool byCount) => Stacking.Map(tasks[0], (_, i, j) =>
    {
        double[] all = [.. tasks.Select(t => t[i, j]).Where(x => x != 0)];
        double total = all.Sum();
        int votes = all.Count(x => x > 0) - all.Count(x => x < 0);
        bool positive = byCount && votes != 0 ? votes > 0 : total > 0;
        double[] agreeing = [.. all.Where(x => x > 0 == positive)];
        return agreeing.Length == 0 ? 0 : agreeing.Average();
    });

    private static double[,] Sce(IReadOnlyList<double[,]> tasks)
    {
        double[,] variance = Stacking.Map(tasks[0], (_, i, j) => tasks.Average(t => t[i, j] * t[i, j]) - Math.Pow(tasks.Average(t => t[i, j]), 2));
        double[,] selected = Keep(variance, Density);
        double[][,] masked = [.. tasks.Select(t => Stacking.Map(t, (x, i, j) => selected[i, j] == 0 ? 0 : x))];
        double[] energies = [.. masked.Select(m => Math.Pow(Stacking.Norm(m), 2))];
        return Stacking.Map(masked[0], (_, i, j) =>
        {
            double total = masked.Sum(m => m[i, j]);
            return masked.Select((m, t) => total * m[i, j] > 0 ? energies[t] / energies.Sum() * m[i, j] : 0).Sum();
        });
    }
}
