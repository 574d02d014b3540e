using System.Runtime.ExceptionServices;

namespace LoraKit.Ops.Adapters;

/// <summary>The same work for every module of an adapter, on several threads. Results come in the order of the items.</summary>
internal static class ModuleLoop
{
    /// <param name="items">The modules.</param>
    /// <param name="work">Computes one; independent of all others.</param>
    /// <param name="size">What an item counts for in the progress: its bytes.</param>
    /// <param name="name">What progress calls it.</param>
    /// <param name="threads">How many threads; 0 takes one per processor.</param>
    /// <param name="progress">Told after every item, from any thread.</param>
    /// <param name="cancellation">Stops before the next item.</param>
    public static TResult[] Run<TItem, TResult>(
        IReadOnlyList<TItem> items, Func<TItem, TResult> work, Func<TItem, long> size, Func<TItem, string> name,
        int threads, IProgress<OpProgress>? progress, CancellationToken cancellation)
    {
        TResult[] results = new TResult[items.Count];
        long total = items.Sum(size);
        long done = 0;
        try
        {
            // One at a time: modules differ in size by orders of magnitude.
            Parallel.ForEach(
                System.Collections.Concurrent.Partitioner.Create(Enumerable.Range(0, items.Count), System.Collections.Concurrent.EnumerablePartitionerOptions.NoBuffering),
                new ParallelOptions { MaxDegreeOfParallelism = threads > 0 ? threads : Environment.ProcessorCount, CancellationToken = cancellation },
                i =>
                {
                    results[i] = work(items[i]);
                    progress?.Report(new(Interlocked.Add(ref done, size(items[i])), total, name(items[i])));
                });
        }
        catch (AggregateException several)
        {
            // Every failure is as good as the first; a stack trace of one tells more than a list of them.
            ExceptionDispatchInfo.Throw(several.InnerExceptions[0]);
        }

        return results;
    }
}
