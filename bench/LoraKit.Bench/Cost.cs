using System.Diagnostics;

namespace LoraKit.Bench;

/// <summary>What one run costs, in milliseconds.</summary>
/// <param name="Wall">On the clock.</param>
/// <param name="Processor">On all cores of this process together, which other programs hardly change.</param>
internal readonly record struct Cost(double Wall, double Processor)
{
    /// <summary>The mean of some runs in a row.</summary>
    public static Cost Of(Action action, int times)
    {
        using Process process = Process.GetCurrentProcess();
        TimeSpan before = process.TotalProcessorTime;
        Stopwatch watch = Stopwatch.StartNew();
        for (int i = 0; i < times; i++) action();
        double wall = watch.Elapsed.TotalMilliseconds;
        process.Refresh();
        return new(wall / times, (process.TotalProcessorTime - before).TotalMilliseconds / times);
    }

    /// <summary>The medians, each for itself.</summary>
    public static Cost Median(IReadOnlyCollection<Cost> costs) => new(
        costs.Select(c => c.Wall).Order().ElementAt(costs.Count / 2), costs.Select(c => c.Processor).Order().ElementAt(costs.Count / 2));
}
