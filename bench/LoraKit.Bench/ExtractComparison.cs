using System.Diagnostics;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Extract;
using LoraKit.Torch;
using TorchSharp;

namespace LoraKit.Bench;

/// <summary>
/// A whole extraction at rank 16, files included, against what other tools do: the full SVD of each difference in F32, with libtorch. One matrix
/// of each shape is decomposed in full and counts for all of its shape; the two take turns in one process.
/// </summary>
internal static class ExtractComparison
{
    private const int Rank = 16;

    public static void Run(TextWriter output, string basePath, string tunedPath, int rounds)
    {
        int threads = Environment.ProcessorCount;
        using TorchCompute torchCompute = TorchCompute.Create(new TorchOptions { Device = "cpu", Threads = threads });
        using SimdCompute compute = new();
        using Checkpoint @base = Checkpoint.Open(basePath), tuned = Checkpoint.Open(tunedPath);
        List<double> extracts = [], full = [];
        for (int round = 0; round < rounds; round++)
        {
            (double seconds, ExtractReport report) = Extract(compute, basePath, tunedPath);
            extracts.Add(seconds);
            output.WriteLine($"extract, {compute.Name}, {threads} threads: {seconds:0.00} s, {report.Modules.Count} modules, relative error {report.RelativeError:0.00000}");
            double sum = 0;
            foreach (IGrouping<TensorShape, string> shape in report.Modules.Select(m => m.Name).GroupBy(name => tuned.Tensors[name].Shape))
            {
                (double once, double best) = Full(@base.Tensors[shape.First()], tuned.Tensors[shape.First()]);
                output.WriteLine(
                    $"full SVD, torch, F32, {threads} threads: {shape.Key}: {once:0.00} s × {shape.Count()}, error of the best rank {Rank} {best:0.00000}, "
                    + $"extract's {report.Modules.Single(m => m.Name == shape.First()).RelativeError:0.00000}");
                sum += once * shape.Count();
            }

            full.Add(sum);
        }

        output.WriteLine($"median of {rounds}: extract {Median(extracts):0.00} s, full SVDs {Median(full):0.0} s, ratio {Median(full) / Median(extracts):0.0}");
    }

    private static (double Seconds, ExtractReport Report) Extract(ICompute compute, string basePath, string tunedPath)
    {
        string folder = Directory.CreateTempSubdirectory("lorakit-bench-").FullName;
        try
        {
            Stopwatch watch = Stopwatch.StartNew();
            using ExtractPlan plan = ExtractPlan.Create(new ExtractOptions
            {
                Base = basePath,
                Tuned = tunedPath,
                Output = new AdapterOutput(Path.Combine(folder, "adapter")) { Flush = false },
                Rank = Rank,
            });
            ExtractReport report = plan.Run(compute);
            return (watch.Elapsed.TotalSeconds, report);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static (double Seconds, double BestError) Full(StoredTensor before, StoredTensor after)
    {
        (long rows, long columns) = after.Shape.AsMatrix();
        float[] difference = [.. after.ToSingles().Zip(before.ToSingles(), (a, b) => a - b)];
        using IDisposable scope = torch.NewDisposeScope();
        torch.Tensor matrix = torch.tensor(difference, rows, columns);
        Stopwatch watch = Stopwatch.StartNew();
        (_, torch.Tensor s, _) = torch.linalg.svd(matrix, fullMatrices: false);
        double[] squares = [.. s.data<float>().Select(v => (double)v * v)];
        return (watch.Elapsed.TotalSeconds, Math.Sqrt(squares.Skip(Rank).Sum() / squares.Sum()));
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
}
