using LoraKit.Ops.Adapters;

namespace LoraKit.Ops.Tests.Adapters;

/// <summary>Results are there when they are asked for, only a few at a time, and computed again where they are asked for again.</summary>
public sealed class ModuleStreamTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void OnlyAFewAheadAreComputed(int threads)
    {
        int begun = 0;
        using ModuleStream<int, int> stream = Stream(50, i => Interlocked.Increment(ref begun) + (0 * i), threads);
        for (int i = 0; i < 50; i++)
        {
            stream.Of(i);
            stream.Of(i);
            Assert.InRange(Volatile.Read(ref begun), i + 1, i + (2 * threads));
        }

        Assert.Equal(50, begun);
    }

    [Fact]
    public void NoMoreRunAtOnceThanThreads()
    {
        int running = 0, most = 0;
        using ModuleStream<int, int> stream = Stream(20, Work, threads: 2);
        for (int i = 0; i < 20; i++) Assert.Equal(i, stream.Of(i));
        Assert.InRange(most, 1, 2);

        int Work(int i)
        {
            int now = Interlocked.Increment(ref running);
            lock (this) most = Math.Max(most, now);
            Thread.Sleep(2);
            Interlocked.Decrement(ref running);
            return i;
        }
    }

    [Fact]
    public void AnyOrderIsRight()
    {
        using ModuleStream<int, int> stream = Stream(9, i => i * i, threads: 2);
        foreach (int i in (int[])[8, 0, 1, 5, 4, 4, 2, 8, 7]) Assert.Equal(i * i, stream.Of(i));
    }

    [Fact]
    public void ProgressComesToTheTotal()
    {
        Told told = new();
        using (ModuleStream<int, int> stream = new([3, 1, 2], i => i, i => 10 * i, i => $"m{i}", 1, told, TestContext.Current.CancellationToken))
        {
            foreach (int i in (int[])[3, 1, 2]) stream.Of(i);
        }

        Assert.Equal([30, 40, 60], told.Reports.Select(r => r.BytesDone));
        Assert.All(told.Reports, r => Assert.Equal(60, r.BytesTotal));
    }

    [Fact]
    public void FailuresComeAsTheyAre()
    {
        using ModuleStream<int, int> stream = Stream(4, i => i == 2 ? throw new InvalidDataException("two") : i, threads: 2);
        Assert.Equal(0, stream.Of(0));
        Assert.Equal("two", Assert.Throws<InvalidDataException>(() => stream.Of(2)).Message);
    }

    [Fact]
    public void CancellationStopsItAndDisposingWaits()
    {
        using CancellationTokenSource stop = new();
        int running = 0;
        ModuleStream<int, int> stream = new([.. Enumerable.Range(0, 9)], Work, _ => 1, _ => "", 2, null, stop.Token);
        Assert.Equal(0, stream.Of(0));
        stop.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => stream.Of(8));
        stream.Dispose();
        Assert.Equal(0, running);

        int Work(int i)
        {
            Interlocked.Increment(ref running);
            Thread.Sleep(5);
            Interlocked.Decrement(ref running);
            return i;
        }
    }

    private static ModuleStream<int, int> Stream(int count, Func<int, int> work, int threads) =>
        new([.. Enumerable.Range(0, count)], work, _ => 1, i => $"{i}", threads, null, TestContext.Current.CancellationToken);

    private sealed class Told : IProgress<OpProgress>
    {
        public List<OpProgress> Reports { get; } = [];

        public void Report(OpProgress value)
        {
            lock (Reports) Reports.Add(value);
        }
    }
}
