namespace LoraKit.Ops.Adapters;

/// <summary>
/// The same work for every module, done when its result is about to be asked for: in order, a few ahead, on several threads. A result is let go
/// when a later one is asked for, so that an output as large as the disk allows takes the memory of a few modules; one that is asked for
/// again is computed again. <see cref="ModuleLoop"/> is for results that are all needed at once.
/// </summary>
internal sealed class ModuleStream<TItem, TResult> : IDisposable
    where TItem : notnull
{
    private readonly IReadOnlyList<TItem> _items;
    private readonly Dictionary<TItem, int> _places = [];
    private readonly Func<TItem, TResult> _work;
    private readonly Action<TItem> _done;
    private readonly int _threads;
    private readonly SemaphoreSlim _running;
    private readonly CancellationTokenSource _stop;
    private readonly Lock _lock = new();
    private readonly Dictionary<int, Task<TResult>> _tasks = [];

    /// <param name="items">The modules, in the order in which their results will be asked for; another order costs time only.</param>
    /// <param name="work">Computes one; independent of all others.</param>
    /// <param name="size">What an item counts for in the progress: its bytes.</param>
    /// <param name="name">What progress calls it.</param>
    /// <param name="threads">How many threads; 0 takes one per processor.</param>
    /// <param name="progress">Told after every item, from any thread.</param>
    /// <param name="cancellation">Stops before the next item.</param>
    public ModuleStream(
        IReadOnlyList<TItem> items, Func<TItem, TResult> work, Func<TItem, long> size, Func<TItem, string> name,
        int threads, IProgress<OpProgress>? progress, CancellationToken cancellation)
    {
        (_items, _work) = (items, work);
        for (int i = 0; i < items.Count; i++) _places.Add(items[i], i);
        _threads = threads > 0 ? threads : Environment.ProcessorCount;
        _running = new SemaphoreSlim(_threads);
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        long total = items.Sum(size), done = 0;
        _done = item => progress?.Report(new(Interlocked.Add(ref done, size(item)), total, name(item)));
    }

    /// <summary>The result of an item; waits for it.</summary>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public TResult Of(TItem item)
    {
        Task<TResult>? result;
        lock (_lock)
        {
            int place = _places[item];
            if (!_tasks.TryGetValue(place, out result) || _tasks.ContainsKey(place - 1)) result = MoveTo(place);
        }

        return result.GetAwaiter().GetResult();
    }

    /// <summary>Stops what is not begun and waits for what is.</summary>
    public void Dispose()
    {
        _stop.Cancel();
        for (int i = 0; i < _threads; i++) _running.Wait();
        _running.Dispose();
        _stop.Dispose();
    }

    private Task<TResult> MoveTo(int place)
    {
        int end = Math.Min(place + (2 * _threads), _items.Count);
        foreach (int gone in _tasks.Keys.Where(i => i < place || i >= end).ToArray()) _tasks.Remove(gone);
        for (int i = place; i < end; i++)
        {
            if (!_tasks.ContainsKey(i)) _tasks.Add(i, Compute(_items[i]));
        }

        return _tasks[place];
    }

    private async Task<TResult> Compute(TItem item)
    {
        await _running.WaitAsync(_stop.Token).ConfigureAwait(false);
        try
        {
            TResult result = await Task.Run(() => _work(item), _stop.Token).ConfigureAwait(false);
            _done(item);
            return result;
        }
        finally
        {
            _running.Release();
        }
    }
}
