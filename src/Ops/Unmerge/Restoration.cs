using LoraKit.Formats.Files;
using LoraKit.Ops.Merge;

namespace LoraKit.Ops.Unmerge;

/// <summary>One way to get the base out of a merged model: what is written, and how the tensors are made that are not copied.</summary>
internal abstract class Restoration : IDisposable
{
    /// <summary>The way's name.</summary>
    public abstract UnmergeMethod Method { get; }

    /// <summary>Everything that is written.</summary>
    public abstract ModelOutput Output { get; }

    /// <summary>Everything that is read, beside the merged model.</summary>
    public abstract IReadOnlyList<string> Inputs { get; }

    /// <summary>What the user should know before it runs.</summary>
    public IReadOnlyList<string> Warnings { get; protected init; } = [];

    /// <summary>What the user should know after it ran.</summary>
    public virtual IEnumerable<string> Findings => [];

    /// <summary>How many tensors are made, not copied.</summary>
    public abstract int TensorsMade { get; }

    /// <summary>How many tensors were restored, after it ran.</summary>
    public virtual int TensorsRestored => TensorsMade;

    /// <summary>What it has found while it ran.</summary>
    public RestorationCounts Counts { get; } = new();

    /// <summary>The tiles of a tensor that is made; null for one that is copied.</summary>
    public abstract TensorTiles? Tiles(OutputTensor tensor, OutputFile file);

    public abstract void Dispose();
}

/// <summary>Counts that workers add to.</summary>
internal sealed class RestorationCounts
{
    private long _repaired;
    private long _mayDiffer;

    /// <summary>Elements that needed a correction.</summary>
    public long Repaired => Interlocked.Read(ref _repaired);

    /// <summary>Elements of which the merged value does not tell the base's.</summary>
    public long MayDiffer => Interlocked.Read(ref _mayDiffer);

    public void AddRepaired(long count) => Interlocked.Add(ref _repaired, count);

    public void AddMayDiffer(long count) => Interlocked.Add(ref _mayDiffer, count);
}
