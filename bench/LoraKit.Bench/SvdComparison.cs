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

    /// <param name="output">Takes the tables.</param>
    /// <param name="rounds">How often each takes its turn.</param>
    /// <param name="threads">Threads of libtorch, and of the loop over the 700 modules.</param>
    public static void Run(TextWriter output, int rounds, int threads)
    {
        using TorchCompute torchCompute = TorchCompute.Create(new TorchOptions { Device = "cpu", Threads = threads });
        using SimdCompute compute = new();
        LowRankProduct product = Product(Size, Size, 1);
        using torch.Tensor left = torch.tensor(product.LeftSingle!, Size, Rank);
        using torch.Tensor right = torch.tensor(product.RightSingle!, Rank, Size);
        (string Name, int Times, Action Action)[] contenders =
        [
            ($"{compute.Name}, factors, F64, 1 thread", 50, () => Factored(compute, product)),
            ($"{torchCompute.Name}, factors, F64, threads: {threads}", 5, () => Factored(torchCompute, product)),
            ($"torch, dense, randomized (q = {Kept + 8}, 2 iterations), F32, threads: {threads}", 5, () => DenseSvd.Randomized(left, right, Kept, Kept + 8, 2)),
            ($"torch, dense, randomized (q = {2 * Kept}, 2 iterations), F32, threads: {threads}", 5, () => DenseSvd.Randomized(left, right, Kept, 2 * Kept, 2)),
            ($"torch, dense, full, F32, threads: {threads}", 1, () => DenseSvd.Full(left, right, Kept)),
        ];
        Cost[][] costs = [.. contenders.Select(_ => new Cost[rounds])];
        foreach ((_, int times, Action action) in contenders.SkipLast(1)) Cost.Of(action, times);
        for (int round = 0; round < rounds; round++)
        {
            for (int i = 0; i < contenders.Length; i++) costs[i][round] = Cost.Of(contenders[i].Action, contenders[i].Times);
        }

        output.WriteLine($"{Size} × {Size}, rank {Rank} → {Kept}, {rounds} rounds");
        output.WriteLine("| what | wall, median | ratio | processor time, median | ratio |");
        output.WriteLine("|---|---:|---:|---:|---:|");
        Cost first = Cost.Median(costs[0]);
        for (int i = 0; i < contenders.Length; i++)
        {
            Cost median = Cost.Median(costs[i]);
            output.WriteLine(
                $"| {contenders[i].Name} | {median.Wall:0.0} ms | {median.Wall / first.Wall:0.0} | {median.Processor:0.0} ms | {median.Processor / first.Processor:0.0} |");
        }

        LowRankProduct[] products = [.. SdxlShapes.All.Select((shape, i) => Product(shape.Rows, shape.Columns, i))];
        ParallelOptions parallel = new() { MaxDegreeOfParallelism = threads };
        Cost sdxl = Cost.Median([.. Enumerable.Range(0, rounds).Select(_ => Cost.Of(() => Parallel.ForEach(products, parallel, p => Factored(compute, p)), 1))]);
        output.WriteLine();
        output.WriteLine(
            $"{products.Length} modules, rank {Rank} → {Kept}, threads: {threads}: median {sdxl.Wall / 1000:0.00} s, {sdxl.Processor / 1000:0.00} s of processor time");
    }

    private static void Factored(ICompute compute, LowRankProduct product)
    {
        using ILowRankSvd svd = compute.Decompose(product);
        svd.Take(Kept);
    }

    /// <summary>Uniform factors: a spectrum that is nearly flat, the hardest for iterations of any kind.</summary>
    private static LowRankProduct Product(int rows, int columns, int seed)
    {
        Random random = new(seed);
        return new LowRankProduct(rows, columns, Rank, Values(rows * Rank), Values(Rank * columns));

        float[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => (random.NextSingle() - 0.5f) * 0.1f)];
    }
}
