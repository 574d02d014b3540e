using System.Buffers;
using System.Numerics;
using System.Runtime.InteropServices;
using LoraKit.Formats.Tensors;
using LoraKit.Formats.Tensors.Floats;

namespace LoraKit.Ops.Compute;

/// <summary>
/// The rare pairs of types, those with doubles on one side only: sums go to a buffer, and meet the source there, in doubles.
/// Rounded to odd on the way, a total is rounded to nearest only once, in the destination's type.
/// </summary>
internal static class StagedSum
{
    /// <summary>Elements that are summed before they are finished.</summary>
    private const int PieceElements = 1 << 15;

    public static void Add<TLanes, TVector, T>(Tile tile, PackedProduct<T> product, long firstRow, bool negated)
        where TLanes : IProductLanes<TVector, T>
        where TVector : unmanaged
        where T : unmanaged, INumberBase<T>
    {
        int rows = Math.Max(1, PieceElements / tile.Columns);
        int columns = tile.Columns;
        T[] sums = ArrayPool<T>.Shared.Rent(checked(Math.Min(rows, tile.Rows) * columns));
        double[] totals = ArrayPool<double>.Shared.Rent(columns);
        try
        {
            for (int row = 0; row < tile.Rows; row += rows)
            {
                int now = Math.Min(rows, tile.Rows - row);
                Tile raw = new()
                {
                    Source = [],
                    SourceType = tile.SourceType,
                    Destination = MemoryMarshal.AsBytes(sums.AsSpan(0, now * columns)),
                    DestinationType = tile.DestinationType,
                    Rows = now,
                    Columns = columns,
                };
                PanelKernel<TLanes, TVector, T, FinishRaw<TLanes, TVector, T>>.Run(raw, product, firstRow + row);
                for (int i = 0; i < now; i++)
                {
                    AddRow(tile, row + i, sums.AsSpan(i * columns, columns), totals.AsSpan(0, columns), negated);
                }
            }
        }
        finally
        {
            ArrayPool<double>.Shared.Return(totals);
            ArrayPool<T>.Shared.Return(sums);
        }
    }

    private static void AddRow<T>(Tile tile, int row, ReadOnlySpan<T> sums, Span<double> totals, bool negated)
        where T : unmanaged, INumberBase<T>
    {
        int sourceBytes = tile.Columns * tile.SourceType.Bytes();
        int destinationBytes = tile.Columns * tile.DestinationType.Bytes();
        FloatConvert.ToDoubles(tile.SourceType, tile.Source.Slice(row * sourceBytes, sourceBytes), totals);
        bool isLast = tile.DestinationType == DType.F64;
        for (int j = 0; j < totals.Length; j++)
        {
            double sum = double.CreateTruncating(negated ? -sums[j] : sums[j]);
            totals[j] = DoubleBits.WithOneNaN(isLast ? totals[j] + sum : RoundToOdd.Sum(totals[j], sum));
        }

        FloatConvert.FromDoubles(tile.DestinationType, totals, tile.Destination.Slice(row * destinationBytes, destinationBytes));
    }
}
