using System.Globalization;
using System.Text.Json.Nodes;
using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Resize;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Resize;

/// <summary>One budget over all modules: never exceeded, and better than any uniform rank of its size.</summary>
public sealed class TargetSizeTests
{
    public static IEnumerable<TheoryDataRow<int, bool, FactorType>> Cases() =>
        from seed in Enumerable.Range(0, 6)
        from kohya in new[] { false, true }
        from type in new[] { FactorType.Exact, FactorType.Keep }
        select new TheoryDataRow<int, bool, FactorType>(seed, kohya, type);

    [Theory]
    [MemberData(nameof(Cases))]
    public void TheSizeHoldsAndNoUniformRankIsBetter(int seed, bool kohya, FactorType type)
    {
        using TempFolder temp = new();
        using SimdCompute compute = new();
        Random random = new(seed);
        string adapter = kohya ? Kohya(temp["in.safetensors"], random) : Peft(temp["in"], random);
        ResizeOptions options = Resizing.Options(adapter, "", new RankPolicy.MaxError(0));
        options = options with { Output = options.Output with { ElementType = type } };
        List<(long Bytes, double Error)> uniform = [];
        for (int rank = 1; rank <= 24; rank++)
        {
            using ResizePlan plan = ResizePlan.Create(options with { Output = Out($"u{rank}"), MaxRank = rank }, compute);
            uniform.Add((plan.BytesAfter, plan.RelativeError));
        }

        bool isOftenBetter = false;
        long smallest = uniform.Min(u => u.Bytes);
        long largest = uniform.Max(u => u.Bytes);
        foreach (long bytes in (long[])[smallest, smallest + 77, (smallest + largest) / 3, (smallest + largest) / 2, largest - 1, largest, 10 * largest, .. uniform.Select(u => u.Bytes)])
        {
            using ResizePlan plan = ResizePlan.Create(options with { Output = Out($"b{bytes}"), Policy = new RankPolicy.TotalBytes(bytes) }, compute);
            Assert.InRange(plan.BytesAfter, 1, bytes);
            double best = uniform.Where(u => u.Bytes <= bytes).Min(u => u.Error);
            Assert.InRange(plan.RelativeError, 0, best + 1e-12);
            isOftenBetter |= plan.RelativeError < 0.95 * best;
        }

        Assert.True(isOftenBetter);
        Resizing.Run(options with { Output = Out("written"), Policy = new RankPolicy.TotalBytes((smallest + largest) / 2) }, compute);
        Assert.InRange(Resizing.SizeOf(Out("written").Path), 1, (smallest + largest) / 2);

        AdapterOutput Out(string name) => options.Output with { Path = temp[kohya ? name + ".safetensors" : name] };
    }

    [Fact]
    public void TooSmallASizeSaysTheSmallest()
    {
        using TempFolder temp = new();
        using SimdCompute compute = new();
        string adapter = Peft(temp["in"], new Random(4));
        ResizeOptions options = Resizing.Options(adapter, temp["out"], new RankPolicy.TotalBytes(1000));
        string message = Assert.Throws<InvalidOptionException>(() => ResizePlan.Create(options, compute)).Message;
        string said = message.Split("the smallest possible is ")[1].Split(' ')[0];
        long smallest = long.Parse(said, CultureInfo.InvariantCulture);
        Assert.Throws<InvalidOptionException>(() => ResizePlan.Create(options with { Policy = new RankPolicy.TotalBytes(smallest - 1) }, compute));
        Assert.Equal(smallest, Resizing.Run(options with { Policy = new RankPolicy.TotalBytes(smallest) }).BytesAfter);
    }

    /// <summary>A small knapsack: every choice of ranks is tried.</summary>
    [Fact]
    public void TheBudgetIsNearTheBestThereIs()
    {
        Random random = new(3);
        for (int round = 0; round < 50; round++)
        {
            RankOption[][] modules = [.. Enumerable.Range(0, 4).Select(_ => Options(random))];
            long bytes = modules.Sum(m => m[0].Bytes) + random.Next(400);
            int[] chosen = RankBudget.Spend(modules, new int[4], bytes);
            Assert.InRange(RankBudget.Bytes(modules, chosen), 0, bytes);
            double best = Choices(modules).Where(c => RankBudget.Bytes(modules, c) <= bytes).Max(c => RankBudget.Energy(modules, c));
            // What greed loses is at most one step, the best of those that did not fit.
            double step = modules.Max(m => m.Zip(m.Skip(1)).Max(p => p.Second.Energy - p.First.Energy));
            Assert.InRange(RankBudget.Energy(modules, chosen), best - step, best);
        }
    }

    private static RankOption[] Options(Random random)
    {
        int cost = random.Next(5, 60);
        double sigma = random.NextDouble() * 10;
        double energy = 0;
        return [.. Enumerable.Range(1, 6).Select(k =>
        {
            energy += sigma * sigma;
            sigma *= random.NextDouble();
            return new RankOption(k, k * cost, energy);
        })];
    }

    private static IEnumerable<int[]> Choices(RankOption[][] modules) =>
        from a in Enumerable.Range(0, modules[0].Length)
        from b in Enumerable.Range(0, modules[1].Length)
        from c in Enumerable.Range(0, modules[2].Length)
        from d in Enumerable.Range(0, modules[3].Length)
        select new[] { a, b, c, d };

    private static string Peft(string folder, Random random)
    {
        PeftFolder adapter = new(folder, 16, 8);
        JsonObject ranks = [], alphas = [];
        for (int i = 0; i < 12; i++)
        {
            int rank = random.Next(2, 25);
            (ranks[$"m{i}"], alphas[$"m{i}"]) = (rank, Math.Round(random.NextDouble() * 40, 2));
            (double[] a, double[] b, int rows, int columns) = Factors(random, rank, DType.F16);
            adapter.Add($"base_model.model.m{i}.lora_A.weight", DType.F16, [rank, columns], a);
            adapter.Add($"base_model.model.m{i}.lora_B.weight", DType.F16, [rows, rank], b);
        }

        adapter.Config["rank_pattern"] = ranks;
        adapter.Config["alpha_pattern"] = alphas;
        return adapter.Save();
    }

    private static string Kohya(string file, Random random)
    {
        List<TestTensor> tensors = [];
        for (int i = 0; i < 12; i++)
        {
            int rank = random.Next(2, 25);
            (double[] a, double[] b, int rows, int columns) = Factors(random, rank, DType.BF16);
            tensors.Add(new($"lora_unet_m{i}.lora_down.weight", DType.BF16, [rank, columns], a));
            tensors.Add(new($"lora_unet_m{i}.lora_up.weight", DType.BF16, [rows, rank], b));
            tensors.Add(new($"lora_unet_m{i}.alpha", DType.F32, [], [random.Next(1, 40)]));
        }

        SafetensorsBytes.Write(file, tensors);
        return file;
    }

    /// <summary>Very different sizes, strengths and decays.</summary>
    private static (double[] A, double[] B, int Rows, int Columns) Factors(Random random, int rank, DType dtype)
    {
        (int rows, int columns) = (random.Next(3, 120), random.Next(3, 200));
        double decay = 0.4 + (0.6 * random.NextDouble());
        double strength = Math.Pow(10, (random.NextDouble() * 2) - 1);
        double[] a = PeftFolder.Values(random, rank * columns, DType.F64);
        for (int i = 0; i < a.Length; i++) a[i] = Merging.Rounded(a[i] * strength * Math.Pow(decay, i / columns), dtype);
        return (a, PeftFolder.Values(random, rows * rank, dtype), rows, columns);
    }
}
