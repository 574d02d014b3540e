using System.Diagnostics;
using LoraKit.Ops.Compute;
using LoraKit.Torch;
using TorchSharp;

namespace LoraKit.Bench;

/// <summary>
/// The factored SVD against dense ones, in turns in one process: 3072 × 3072 of rank 64, 16 singular vectors of each side; then the 700 modules
/// of an SDXL adapter of rank 64.
/// </summary>
internal static class SvdComparison
{
    private const int Size = 3072;
    private const int Rank = 64;
    private const int Kept = 16;

    public static void Run(TextWriter output, int rounds)
    {
        int threads = Environment.ProcessorCount;
        using TorchCompute torchCompute = TorchCompute.Create(new TorchOptions { Device = "cpu", Threads = threads });
        using SimdCompute compute = new();
        LowRankProduct product = Product(Size, Size, 1);
        using torch.Tensor left = torch.tensor(product.LeftSingle!, Size, Rank);
        using torch.Tensor right = torch.tensor(product.RightSingle!, Rank, Size);
        (string Name, int Times, Action Action)[] contenders =
        [
            ($"{compute.Name}, factors, F64, 1 thread", 20, () => Factored(compute, product)),
            ($"{torchCompute.Name}, factors, F64, {threads} threads", 5, () => Factored(torchCompute, product)),
            ($"torch, dense, randomized (q = {Kept + 8}, 2 iterations), F32, {threads} threads", 3, () => DenseSvd.Randomized(left, right, Kept, Kept + 8, 2)),
            ($"torch, dense, randomized (q = {2 * Kept}, 2 iterations), F32, {threads} threads", 3, () => DenseSvd.Randomized(left, right, Kept, 2 * Kept, 2)),
            ($"torch, dense, full, F32, {threads} threads", 1, () => DenseSvd.Full(left, right, Kept)),
        ];
        double[][] milliseconds = [.. contenders.Select(_ => new double[rounds])];
        foreach ((_, int times, Action action) in contenders.SkipLast(1)) Time(action, 3 * times);
        for (int round = 0; round < rounds; round++)
        {
            for (int i = 0; i < contenders.Length; i++) milliseconds[i][round] = Time(contenders[i].Action, contenders[i].Times);
        }

        output.WriteLine($"{Size} × {Size}, rank {Rank} → {Kept}, {rounds} rounds");
        output.WriteLine("| what | median | fastest | ratio of the medians |");
        output.WriteLine("|---|---:|---:|---:|");
        for (int i = 0; i < contenders.Length; i++)
        {
            output.WriteLine($"| {contenders[i].Name} | {Median(milliseconds[i]):0.0} ms | {milliseconds[i].Min():0.0} ms | {Median(milliseconds[i]) / Median(milliseconds[0]):0.0} |");
        }

        Sdxl(output, compute, rounds, threads);
    }

    private static void Sdxl(TextWriter output, SimdCompute compute, int rounds, int threads)
    {
        LowRankProduct[] products = [.. SdxlShapes.All.Select((shape, i) => Product(shape.Rows, shape.Columns, i))];
        double[] seconds = new double[rounds];
        for (int round = 0; round < rounds; round++)
        {
            seconds[round] = Time(
                () => Parallel.ForEach(products, new ParallelOptions { MaxDegreeOfParallelism = threads }, product => Factored(compute, product)), 1) / 1000;
        }

        output.WriteLine();
        output.WriteLine($"{products.Length} modules, rank {Rank} → {Kept}, {threads} threads: median {Median(seconds):0.00} s, fastest {seconds.Min():0.00} s");
    }

    private static void Factored(ICompute compute, LowRankProduct product)
    {
        using ILowRankSvd svd = compute.Decompose(product);
        svd.Take(Kept);
    }

    /// <summary>Milliseconds of one of <paramref name="times"/> runs.</summary>
    private static double Time(Action action, int times)
    {
        Stopwatch watch = Stopwatch.StartNew();
        for (int i = 0; i < times; i++) action();
        return watch.Elapsed.TotalMilliseconds / times;
    }

    private static double Median(double[] values) => values.Order().ElementAt(values.Length / 2);

    /// <summary>Uniform factors: a spectrum that is nearly flat, the hardest for iterations of any kind.</summary>
    private static LowRankProduct Product(int rows, int columns, int seed)
    {
        Random random = new(seed);
        return new LowRankProduct(rows, columns, Rank, Values(rows * Rank), Values(Rank * columns));

        float[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => (random.NextSingle() - 0.5f) * 0.1f)];
    }
}
