using System.Runtime.ExceptionServices;
using LoraKit.Formats.Files;
using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Merge;

/// <summary>
/// Runs jobs on a fixed number of workers. A worker reads, computes and writes one job at a time into its own buffers, so memory is
/// workers × tile, whatever the model; there are more workers than processors so that one waits for the disk while another
/// computes. Each output file has its own queue, and workers begin at different ones: a file takes one write at a time. The jobs
/// are independent and their places known, so the bytes do not depend on who does what when.
/// </summary>
internal sealed class MergePipeline(ICompute compute, PipelineSize size, IProgress<OpProgress>? progress, long totalBytes)
{
    private long _doneBytes;

    /// <param name="files">The jobs of each output file, in the order of its bytes.</param>
    /// <param name="cancellation">Stops it between jobs.</param>
    public void Run(IEnumerable<IEnumerable<MergeJob>> files, CancellationToken cancellation)
    {
        JobQueue[] queues = [.. files.Select(jobs => new JobQueue(jobs))];
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using SemaphoreSlim computing = new(size.Threads);
        ExceptionDispatchInfo? failure = null;

        Thread[] workers = [.. Enumerable.Range(0, size.Workers).Select(i => new Thread(() => Work(i)) { IsBackground = true, Name = $"merge {i}" })];
        foreach (Thread worker in workers)
        {
            worker.Start();
        }

        foreach (Thread worker in workers)
        {
            worker.Join();
        }

        failure?.Throw();
        cancellation.ThrowIfCancellationRequested();

        void Work(int worker)
        {
            try
            {
                using TileBuffers buffers = new(size.TileBytes);
                for (int i = 0; i < queues.Length; i++)
                {
                    Drain(queues[(worker + i) % queues.Length], buffers);
                }
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                // Another worker failed, or the caller cancelled: said once, by Run.
            }
            catch (Exception e)
            {
                Interlocked.CompareExchange(ref failure, ExceptionDispatchInfo.Capture(e), null);
                stop.Cancel();
            }
        }

        void Drain(JobQueue queue, TileBuffers buffers)
        {
            while (queue.Next() is { } job)
            {
                stop.Token.ThrowIfCancellationRequested();
                job.Run(new(compute, computing, buffers, stop.Token));
                progress?.Report(new(Interlocked.Add(ref _doneBytes, job.Bytes), totalBytes, job.Name));
            }
        }
    }

    /// <summary>The jobs of one file, handed out one at a time.</summary>
    private sealed class JobQueue(IEnumerable<MergeJob> jobs)
    {
        private readonly Lock _lock = new();
        private readonly IEnumerator<MergeJob> _jobs = jobs.GetEnumerator();

        public MergeJob? Next()
        {
            lock (_lock)
            {
                return _jobs.MoveNext() ? _jobs.Current : null;
            }
        }
    }
}

/// <summary>How much runs at once.</summary>
/// <param name="Threads">Jobs that compute at the same time.</param>
/// <param name="Workers">Jobs in work at the same time.</param>
/// <param name="TileBytes">The size of a worker's buffers, each.</param>
internal readonly record struct PipelineSize(int Threads, int Workers, int TileBytes)
{
    // Large enough that a system call does not count, small enough that a tile is still in the cache when it is written.
    private const int PreferredTileBytes = 1 << 20;
    private const int PreferredBuffers = 2; // With more of them, tiles are smaller: all should stay in the cache together.
    private const int SmallestTileBytes = 64 << 10;

    /// <summary>As much as fits.</summary>
    /// <param name="threads">Jobs that compute at the same time; 0 takes one per processor.</param>
    /// <param name="memoryBytes">The cap for all buffers.</param>
    /// <param name="buffers">A worker's buffers of a tile's size.</param>
    public static PipelineSize For(int threads, long memoryBytes, int buffers = PreferredBuffers)
    {
        // The cut depends on the memory alone: a backend whose sums depend on it gives the same bytes on any number of threads.
        long tile = Math.Clamp(memoryBytes / 16, SmallestTileBytes, PreferredTileBytes * PreferredBuffers / Math.Max(buffers, PreferredBuffers));
        int computing = threads > 0 ? threads : Environment.ProcessorCount;
        int workers = (int)Math.Clamp(memoryBytes / (buffers * tile), 1, computing + Math.Max(1, computing / 2));
        return new(Math.Min(computing, workers), workers, (int)tile);
    }
}

/// <summary>What a job may use while it runs.</summary>
internal readonly record struct JobContext(ICompute Compute, SemaphoreSlim Computing, TileBuffers Buffers, CancellationToken Cancellation);

/// <summary>A piece of the output.</summary>
internal abstract class MergeJob
{
    /// <summary>The tensor or file in work, for progress.</summary>
    public abstract string Name { get; }

    /// <summary>Output bytes it makes.</summary>
    public abstract long Bytes { get; }

    public abstract void Run(JobContext context);
}

/// <summary>Bytes that go from an input file to the output as they are.</summary>
internal sealed class CopyJob(string name, CopyRange range, OutputFile file) : MergeJob
{
    public override string Name => name;

    public override long Bytes => range.Length;

    public override void Run(JobContext context) =>
        file.CopyFrom(range.Source, range.SourcePath, range.SourceOffset, range.Offset, range.Length, context.Cancellation);
}

/// <summary>A range of an input file and its place in the output.</summary>
internal readonly record struct CopyRange(
    Microsoft.Win32.SafeHandles.SafeFileHandle Source, string SourcePath, long SourceOffset, long Offset, long Length);
