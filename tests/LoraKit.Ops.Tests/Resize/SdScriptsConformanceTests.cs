using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Resize;
using LoraKit.Ops.Tests.Adapters;
using LoraKit.Ops.Tests.Compute;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Resize;

/// <summary>What sd-scripts' resize_lora.py made of an adapter, over every backend.</summary>
public sealed class SdScriptsConformanceTests
{
    private const double Tolerance = 1e-4;

    public static IEnumerable<TheoryDataRow<string, string, RankPolicy, int?>> Cases() =>
        from backend in ComputeBackends.Names
        from c in new (string File, RankPolicy Policy, int? Conv)[]
        {
            ("rank6", new RankPolicy.Fixed(6), null),
            ("rank6-conv3", new RankPolicy.Fixed(6), 3),
            ("sv_ratio", new RankPolicy.SvRatio(4), null),
            ("sv_fro", new RankPolicy.SvFro(0.9), null),
            ("sv_cumulative", new RankPolicy.SvCumulative(0.8), null),
        }
        select new TheoryDataRow<string, string, RankPolicy, int?>(backend, c.File, c.Policy, c.Conv);

    [Theory]
    [MemberData(nameof(Cases))]
    public void ResizesAsSdScripts(string backend, string file, RankPolicy policy, int? conv)
    {
        using TempFolder temp = new();
        using ICompute compute = ComputeBackends.Create(backend);
        string input = Paths.Fixture("sd-scripts-resize", "input.safetensors");
        ResizeOptions options = Resizing.Options(input, temp["out.safetensors"], policy) with
        {
            ConvRank = conv,
            MaxRank = policy is RankPolicy.Fixed ? null : 16,
        };
        ResizeReport report = Resizing.Run(options, compute);

        var source = Modules(SafetensorsBytes.Read(input));
        var theirs = Modules(SafetensorsBytes.Read(Paths.Fixture("sd-scripts-resize", file + ".safetensors")));
        var ours = Modules(SafetensorsBytes.Read(temp["out.safetensors"]));
        Assert.Equal(12, ours.Count);
        Assert.Equal(theirs.Keys.Order(), ours.Keys.Order());
        foreach (ResizedModule module in report.Modules)
        {
            Factors factors = ours[module.Name];
            int expected = policy is RankPolicy.Fixed ? theirs[module.Name].Rank : Criterion(policy, source[module.Name]);
            Assert.Equal((expected, expected), (factors.Rank, (int)module.RankAfter));
            double[] update = theirs[module.Name].Update(expected);
            // One of their files was saved in half precision: it is that far off itself.
            double tolerance = theirs[module.Name].Up.DType == DType.F16 ? Math.ScaleB(1, -11) : Tolerance;
            Assert.InRange(DeltaOracle.Distance(update, factors.Update(expected)), 0, tolerance * DeltaOracle.Norm(update));
        }
    }

    /// <summary>The criterion's own rank, from singular values of the dense update without its scale.</summary>
    private static int Criterion(RankPolicy policy, Factors module)
    {
        double[] sigma = DeltaOracle.SingularValues(module.Update(module.Rank), module.Rows);
        IEnumerable<int> enough = Enumerable.Range(1, sigma.Length);
        return policy switch
        {
            RankPolicy.SvRatio p => sigma.Count(s => s > sigma[0] / p.Ratio),
            RankPolicy.SvFro p => enough.First(k => sigma.Take(k).Sum(s => s * s) / sigma.Sum(s => s * s) >= p.Share * p.Share),
            RankPolicy.SvCumulative p => enough.First(k => sigma.Take(k).Sum() / sigma.Sum() >= p.Share),
            _ => throw new ArgumentException(policy.ToString(), nameof(policy)),
        };
    }

    private static Dictionary<string, Factors> Modules(Dictionary<string, (DType DType, TensorShape Shape, double[] Values)> tensors) =>
        tensors.Keys.Where(k => k.EndsWith(".alpha", StringComparison.Ordinal)).Select(k => k[..^".alpha".Length]).ToDictionary(
            m => m,
            m => new Factors(tensors[m + ".lora_up.weight"], tensors[m + ".lora_down.weight"], tensors[m + ".alpha"].Values[0]));

    private sealed record Factors(
        (DType DType, TensorShape Shape, double[] Values) Up, (DType DType, TensorShape Shape, double[] Values) Down, double Alpha)
    {
        public int Rank => (int)Down.Shape[0];

        public int Rows => (int)Up.Shape[0];

        public double[] Update(int first) => DeltaOracle.Product(Up.Values, Down.Values, Rows, Down.Values.Length / Rank, Rank, first, Alpha / Rank);
    }
}
