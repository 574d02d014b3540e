using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Stack;
using LoraKit.Ops.Tests.Compute;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Stack;

/// <summary>knots, tsv and iso against their papers' formulas on dense matrices, with a textbook SVD.</summary>
public sealed class FactorMethodTests
{
    public static TheoryData<string> Backends => ComputeBackends.Names;

    [Theory]
    [MemberData(nameof(Backends))]
    public void Knots_merges_in_the_joint_basis(string backend) => Check(backend, "knots", 0.4, tasks =>
    {
        int columns = tasks[0].GetLength(1);
        NaiveSvd joint = NaiveSvd.Of(Stacking.Map(new double[tasks[0].GetLength(0), tasks.Count * columns], (_, i, j) => tasks[j / columns][i, j % columns]));
        double[][,] parts = [.. tasks.Select((_, t) => Stacking.Map(
            new double[joint.Sigma.Length, columns], (_, k, j) => joint.Sigma[k] * joint.V[(t * columns) + j, k]))];
        return Stacking.Multiply(joint.U, Ties([.. parts.Select(p => Trim(p, 0.4))]));
    });

    [Theory]
    [MemberData(nameof(Backends))]
    public void Tsv_makes_the_tasks_vectors_orthonormal(string backend) => Check(backend, "tsv", null, tasks =>
    {
        int share = Math.Min(tasks[0].GetLength(0), tasks[0].GetLength(1)) / tasks.Count;
        List<(double[] U, double Sigma, double[] V)> triples = [];
        foreach (double[,] task in tasks)
        {
            NaiveSvd svd = NaiveSvd.Of(task);
            for (int k = 0; k < Math.Min(share, svd.Sigma.Length); k++) triples.Add((Column(svd.U, k), svd.Sigma[k], Column(svd.V, k)));
        }

        double[,] left = Orthonormal([.. triples.Select(t => t.U)]), right = Orthonormal([.. triples.Select(t => t.V)]);
        return Stacking.Multiply(Stacking.Map(left, (x, _, k) => x * triples[k].Sigma), Stacking.Transpose(right));
    });

    [Theory]
    [MemberData(nameof(Backends))]
    public void Iso_levels_the_spectrum_of_the_sum(string backend) => Check(backend, "iso", null, tasks =>
    {
        NaiveSvd svd = NaiveSvd.Of(Stacking.Sum(tasks));
        double mean = svd.Sigma.Average();
        return svd.With((_, _) => mean);
    });

    // Twice the same adapter: its directions are there once, and those that orthonormalisation would invent are not.
    [Fact]
    public void Tsv_adds_no_direction_that_no_task_has()
    {
        using TempFolder temp = new();
        Stacking.Adapter(temp["a"], 1, 3, 3, DType.F32, ("q", 20, 30));
        StackReport report = Stacking.Run(Stacking.Options(temp["out"], "tsv", new(temp["a"]), new(temp["a"])));
        Assert.Equal(3, Assert.Single(report.Modules).RankAfter);

        // Û = U·[1 1]/√2 of pairs of equal vectors, and V̂ alike: σ·û·v̂ᵀ summed over a pair is σ·u·vᵀ.
        Stacking.AssertClose(Stacking.Updates(temp["a"])["q.weight"], Stacking.Updates(temp["out"])["q.weight"]);
    }

    private static void Check(string backend, string method, double? density, Func<List<double[,]>, double[,]> definition)
    {
        using TempFolder temp = new();
        using ICompute compute = ComputeBackends.Create(backend);
        // Modules of full rank as well as of low: tsv cuts k, at rank 5 of min(9, 12) / 3.
        Stacking.Adapter(temp["a"], 1, 5, 12, DType.F32, ("q", 23, 31), ("k", 12, 9));
        Stacking.Adapter(temp["b"], 2, 4, 2.5, DType.F32, ("q", 23, 31), ("k", 12, 9));
        Stacking.Adapter(temp["c"], 3, 2, 7, DType.F32, ("k", 12, 9), ("q", 23, 31));
        AdapterInput[] inputs = [new(temp["a"], 0.7), new(temp["b"], -0.5), new(temp["c"], 1.25)];
        Stacking.Run(Stacking.Options(temp["out"], method, inputs) with { Density = density, Lambda = 0.75 }, compute);
        Dictionary<string, double[,]> actual = Stacking.Updates(temp["out"]);
        foreach ((string name, List<double[,]> tasks) in Stacking.Tasks(inputs))
        {
            Stacking.AssertClose(Stacking.Map(definition(tasks), (x, _, _) => 0.75 * x), actual[name]);
        }
    }

    private static double[] Column(double[,] matrix, int k) => [.. Enumerable.Range(0, matrix.GetLength(0)).Select(i => matrix[i, k])];

    private static double[,] Orthonormal(double[][] columns) =>
        NaiveSvd.Of(Stacking.Map(new double[columns[0].Length, columns.Length], (_, i, k) => columns[k][i])).With((_, _) => 1);

    private static double[,] Trim(double[,] matrix, double density)
    {
        double[] sorted = [.. matrix.Cast<double>().Select(Math.Abs).OrderDescending()];
        double threshold = sorted[(int)(density * sorted.Length) - 1];
        return Stacking.Map(matrix, (x, _, _) => Math.Abs(x) >= threshold ? x : 0);
    }

    private static double[,] Ties(double[][,] tasks) => Stacking.Map(tasks[0], (_, i, j) =>
    {
        double total = tasks.Sum(t => t[i, j]);
        double[] agreeing = [.. tasks.Select(t => t[i, j]).Where(x => x * total > 0)];
        return agreeing.Length == 0 ? 0 : agreeing.Average();
    });
}
