using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Merge;

/// <summary>
/// One tensor whose values change, shared by the jobs that make its tiles: its updates are read and prepared by whoever comes first
/// and let go by whoever comes last.
/// </summary>
internal sealed class TensorWork
{
    private readonly Lock _preparing = new();
    private IPreparedProduct? _product;
    private long _tilesLeft;

    public TensorWork(OutputTensor tensor, OutputFile file)
    {
        Target = tensor.Target;
        File = file;
        Base = tensor.Source;
        Edit = tensor.Edit;
        IsComposed = Edit?.IsComposed == true;
        InDoubles = IsComposed || Target.DType == DType.F64 || Straight.DType == DType.F64;
        // Without updates rows have no meaning: one element is as good as a row.
        (Rows, long columns) = Edit is { Deltas.Count: > 0 } || IsComposed ? Target.Shape.AsMatrix() : (Target.Shape.ElementCount, 1);
        Columns = checked((int)columns);
    }

    public TensorInfo Target { get; }

    public OutputFile File { get; }

    public TensorValue? Base { get; }

    public TensorEdit? Edit { get; }

    /// <summary>Whether values from several places make up the tile before updates are added.</summary>
    public bool IsComposed { get; }

    /// <summary>Whether it is computed in F64: where F64 is read or written, and where values are composed.</summary>
    public bool InDoubles { get; }

    public long Rows { get; }

    public int Columns { get; }

    /// <summary>Where an uncomposed tile comes from: the replacement, else the base.</summary>
    public TensorValue Straight => Edit?.Whole?.Values ?? Base ?? throw new InvalidOperationException($"'{Target.Name}' has no values");

    /// <summary>Cuts the tensor into tiles of whole rows, of about <paramref name="tileBytes"/> each. To be called once.</summary>
    public IEnumerable<MergeJob> Tiles(int tileBytes)
    {
        long rowBytes = (long)Columns * Math.Max(Target.DType.Bytes(), IsComposed ? sizeof(double) : Straight.DType.Bytes());
        int rowsPerTile = (int)Math.Clamp(tileBytes / Math.Max(rowBytes, 1), 1, Math.Max(Rows, 1));
        _tilesLeft = (Rows + rowsPerTile - 1) / rowsPerTile;
        for (long row = 0; row < Rows; row += rowsPerTile)
        {
            yield return new TileJob(this, row, (int)Math.Min(rowsPerTile, Rows - row));
        }
    }

    /// <summary>The tensor's updates, ready to be added; null where it has none.</summary>
    public IPreparedProduct? Product(ICompute compute)
    {
        if (Edit is not { Deltas.Count: > 0 }) return null;
        lock (_preparing)
        {
            return _product ??= compute.Prepare(ProductBuilder.Build(Edit, InDoubles));
        }
    }

    /// <summary>Says that one tile is done.</summary>
    public void TileDone()
    {
        if (Interlocked.Decrement(ref _tilesLeft) == 0) Release();
    }

    /// <summary>Lets the updates go.</summary>
    public void Release()
    {
        lock (_preparing)
        {
            _product?.Dispose();
            _product = null;
        }
    }
}
