using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Undo;

namespace LoraKit.Ops.Merge;

/// <summary>One tensor whose values a merge changes.</summary>
internal sealed class TensorWork : TensorTiles
{
    private readonly TensorUpdates? _updates;
    private readonly Requantisation? _blocks;

    /// <param name="tensor">What becomes of it.</param>
    /// <param name="file">Where it is written.</param>
    /// <param name="undo">Where it is written down how to take that back; null where nobody wants to know.</param>
    public TensorWork(OutputTensor tensor, OutputFile file, UndoRecorder? undo)
        : base(tensor.IsRequantised ? tensor.Target with { DType = DType.F32, Blocks = null } : tensor.Target, file)
    {
        if (tensor.IsRequantised) _blocks = new(tensor.Target, file);
        Base = tensor.IsRequantised ? tensor.Edit!.Base : tensor.Source;
        Edit = tensor.Edit;
        IsComposed = Edit?.IsComposed == true;
        InDoubles = IsComposed || Target.DType == DType.F64 || Straight.DType == DType.F64;
        // Without updates rows have no meaning, but for blocks: one element is as good as a row.
        (Rows, long columns) = Edit is { Deltas.Count: > 0 } || IsComposed || _blocks is not null ? Edit!.AsMatrix() : (Target.Shape.ElementCount, 1);
        Columns = checked((int)columns);
        if (Edit is { Deltas.Count: > 0 }) _updates = new(Edit.Name, Edit.Shape, Edit.Deltas, InDoubles, () => new ComposedRows(Edit, Base, Columns));
        Undo = tensor.Source is { } source ? undo?.Add(source, Target, Columns, Edit?.Deltas ?? [], InDoubles) : null;
    }

    public TensorValue? Base { get; }

    public TensorEdit? Edit { get; }

    /// <summary>How to take it back; null where that is not recorded.</summary>
    public RecordedTensor? Undo { get; }

    /// <summary>Whether values from several places make up the tile before updates are added.</summary>
    public bool IsComposed { get; }

    /// <summary>Whether it is computed in F64: where F64 is read or written, and where values are composed.</summary>
    public bool InDoubles { get; }

    public long Rows { get; }

    public int Columns { get; }

    /// <summary>Where an uncomposed tile comes from: the replacement, else the base.</summary>
    public TensorValue Straight => Edit?.Whole?.Values ?? Base ?? throw new InvalidOperationException($"'{Target.Name}' has no values");

    /// <summary>Whether an uncomposed tile comes from the base.</summary>
    public bool IsStraightFromBase => !IsComposed && Edit?.Whole is null;

    /// <summary>What rounding to blocks changed of it, ‖W′ − Q(W′)‖ / ‖W′‖; null where it is not stored in blocks.</summary>
    public double? RelativeChange => _blocks?.RelativeChange;

    /// <summary>Whether the sums that make the tensor also predict the base from it, with this backend: those of the managed arithmetic, added to the base itself.</summary>
    public bool PredictsBase(ICompute compute) =>
        Undo is { SubtractsUpdates: true } && _updates is not null && IsStraightFromBase && Straight.DType == Target.DType && compute is SimdCompute;

    public override IEnumerable<MergeJob> Tiles(int tileBytes)
    {
        long rowBytes = (long)Columns * Math.Max(Target.DType.Bytes(), IsComposed ? sizeof(double) : Straight.DType.Bytes());
        // Of rows that only the base has, it is recorded how to bring them back.
        long rows = Math.Max(Rows, Undo?.Cut.OriginalRows ?? 0);
        return Cut(rows, rowBytes, tileBytes, Undo?.Cut.BlockRows ?? 1).Select(tile => new TileJob(this, tile.First, tile.Count));
    }

    /// <summary>Writes rows that are made.</summary>
    /// <param name="firstRow">The first.</param>
    /// <param name="values">As <see cref="TensorTiles.Target"/> has its elements.</param>
    /// <param name="buffers">The worker's.</param>
    public void Write(long firstRow, ReadOnlySpan<byte> values, TileBuffers buffers)
    {
        if (_blocks is null) File.Write(Target.Offset + (firstRow * Columns * Target.DType.Bytes()), values);
        else _blocks.Write(firstRow * Columns, values, buffers);
    }

    /// <summary>The tensor's updates of low rank, ready to be added; null where it has none.</summary>
    public IPreparedProduct? Product(ICompute compute) => _updates?.Product(compute);

    /// <summary>The tensor's updates where some are made row by row; else null.</summary>
    public TensorUpdates? Contributing => _updates is { HasContributions: true } ? _updates : null;

    public override void Release()
    {
        _updates?.Dispose();
        Undo?.Release();
    }

    protected override void Finish() => Undo?.Finish();
}
