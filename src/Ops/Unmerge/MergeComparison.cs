namespace LoraKit.Ops.Unmerge;

/// <summary>How a merged model compares with its base, and with the merge that it should be; workers add to it.</summary>
internal sealed class MergeComparison
{
    private readonly Lock _lock = new();

    /// <summary>Tensors of which the merged model has other bytes than the base.</summary>
    public int TensorsChanged { get; private set; }

    /// <summary>Elements that are not what the merge gives.</summary>
    public long Unexpected { get; private set; }

    /// <summary>How far the worst of them is off, in units of the last place of the merged type.</summary>
    public ulong MaxUlp { get; private set; }

    /// <summary>Where that is.</summary>
    public string? WorstTensor { get; private set; }

    public void AddChanged()
    {
        lock (_lock) TensorsChanged++;
    }

    public void AddUnexpected(string tensor, long count, ulong maxUlp)
    {
        lock (_lock)
        {
            Unexpected += count;
            if (maxUlp > MaxUlp) (MaxUlp, WorstTensor) = (maxUlp, tensor);
        }
    }
}
