using System.Runtime.InteropServices;
using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Merge;

namespace LoraKit.Ops.Undo;

/// <summary>Updates that are known without the base, added and taken back in the arithmetic that is the same everywhere.</summary>
internal sealed class ReferenceSums(TensorUpdates updates) : IDisposable
{
    private static readonly SimdCompute Reference = new();

    /// <summary>destination = round(source + ΔW[firstRow + i, :]).</summary>
    public void Add(Tile tile, long firstRow) => Run(tile, firstRow, 1);

    /// <summary>destination = round(source − ΔW[firstRow + i, :]).</summary>
    public void Subtract(Tile tile, long firstRow) => Run(tile, firstRow, -1);

    public void Dispose() => updates.Dispose();

    private void Run(Tile tile, long firstRow, int sign)
    {
        IPreparedProduct? product = updates.Product(Reference);
        if (!updates.HasContributions)
        {
            AddProduct(tile, product!, firstRow, sign);
            return;
        }

        using RowBuffer buffer = new(tile.Rows * tile.Columns);
        FloatConvert.ToDoubles(tile.SourceType, tile.Source, buffer.Values);
        updates.AddContributions(firstRow, tile.Rows, sign, default, buffer.Values);
        if (product is null)
        {
            FloatConvert.FromDoubles(tile.DestinationType, buffer.Values, tile.Destination);
            return;
        }

        Tile summed = new()
        {
            Source = MemoryMarshal.AsBytes(buffer.Values),
            SourceType = DType.F64,
            Destination = tile.Destination,
            DestinationType = tile.DestinationType,
            Rows = tile.Rows,
            Columns = tile.Columns,
        };
        AddProduct(summed, product, firstRow, sign);
    }

    private static void AddProduct(Tile tile, IPreparedProduct product, long firstRow, int sign)
    {
        if (sign > 0) Reference.AddProduct(tile, product, firstRow);
        else Reference.SubtractProduct(tile, product, firstRow);
    }
}
