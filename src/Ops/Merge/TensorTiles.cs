using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Merge;

/// <summary>One tensor whose values are made tile by tile. Whoever makes the last tile finishes the tensor.</summary>
internal abstract class TensorTiles(TensorInfo target, OutputFile file)
{
    private long _tilesLeft;

    /// <summary>Name, type, shape and place in the output file.</summary>
    public TensorInfo Target { get; } = target;

    /// <summary>Where it is written.</summary>
    public OutputFile File { get; } = file;

    /// <summary>Cuts the tensor into tiles of whole rows, of about <paramref name="tileBytes"/> each. To be called once.</summary>
    public abstract IEnumerable<MergeJob> Tiles(int tileBytes);

    /// <summary>Says that one tile is done.</summary>
    public void TileDone()
    {
        if (Interlocked.Decrement(ref _tilesLeft) > 0) return;
        Finish();
        Release();
    }

    /// <summary>Lets go what the tiles share; also when not all of them were made.</summary>
    public virtual void Release()
    {
    }

    /// <summary>Called once, after the last tile.</summary>
    protected virtual void Finish()
    {
    }

    /// <summary>Rows [0, rows) in pieces of about so many bytes, each but the last a multiple of <paramref name="unit"/> rows.</summary>
    protected IEnumerable<(long First, int Count)> Cut(long rows, long rowBytes, int tileBytes, int unit)
    {
        long wanted = tileBytes / Math.Max(rowBytes, 1) / unit * unit;
        int perTile = (int)Math.Min(Math.Max(wanted, unit), Math.Max(rows, 1));
        _tilesLeft = (rows + perTile - 1) / perTile;
        for (long row = 0; row < rows; row += perTile)
        {
            yield return (row, (int)Math.Min(perTile, rows - row));
        }
    }
}
