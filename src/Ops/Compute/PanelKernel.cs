using System.Runtime.CompilerServices;

namespace LoraKit.Ops.Compute;

/// <summary>
/// The one loop nest of the managed backend: blocks of four rows by two registers of columns stay in registers while k runs, then
/// <typeparamref name="TFinish"/> puts the sums away. A block that the tile's edge cuts is computed whole, on a copy.
/// </summary>
internal static unsafe class PanelKernel<TLanes, TVector, T, TFinish>
    where TLanes : Formats.Tensors.Floats.IProductLanes<TVector, T>
    where TVector : unmanaged
    where T : unmanaged
    where TFinish : IFinish<TVector>
{
    private const int BlockRows = 4;

    /// <summary>As much of the right factor as is swept before the next rows: it should stay in the second-level cache.</summary>
    private const int SweepBytes = 256 << 10;

    private const int MaxElementSize = 8;

    public static int PanelColumns => 2 * TLanes.Count;

    public static void Run(Tile tile, PackedProduct<T> product, long firstRow)
    {
        int rank = product.Rank;
        fixed (T* left = &product.Left[firstRow * rank])
        fixed (byte* source = tile.Source, destination = tile.Destination)
        {
            nint panelBytes = (nint)rank * PanelColumns * sizeof(T);
            int sweepColumns = (int)Math.Max(1, SweepBytes / panelBytes) * PanelColumns;
            for (int column = 0; column < tile.Columns; column += sweepColumns)
            {
                int columns = Math.Min(sweepColumns, tile.Columns - column);
                T* panels = product.Panels + ((nint)column * rank);
                for (int row = 0; row < tile.Rows; row += BlockRows)
                {
                    nint first = ((nint)row * tile.Columns) + column;
                    AddRows(
                        left + ((nint)row * rank), panels, rank, Math.Min(BlockRows, tile.Rows - row), columns,
                        source + (first * TFinish.SourceSize), (nint)tile.Columns * TFinish.SourceSize,
                        destination + (first * TFinish.DestinationSize), (nint)tile.Columns * TFinish.DestinationSize);
                }
            }
        }
    }

    /// <summary>Up to <see cref="BlockRows"/> rows, all columns of a sweep.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddRows(
        T* left, T* panels, int rank, int rows, int columns, byte* source, nint sourceStride, byte* destination, nint destinationStride)
    {
        byte* sourceCopy = stackalloc byte[BlockRows * PanelColumns * MaxElementSize];
        byte* destinationCopy = stackalloc byte[BlockRows * PanelColumns * MaxElementSize];

        // Rows that are not there repeat the last one.
        T* left0 = left;
        T* left1 = left + ((nint)Math.Min(1, rows - 1) * rank);
        T* left2 = left + ((nint)Math.Min(2, rows - 1) * rank);
        T* left3 = left + ((nint)Math.Min(3, rows - 1) * rank);
        T* right = panels;
        for (int column = 0; column < columns; column += PanelColumns)
        {
            TVector sum00 = TLanes.Create(default), sum01 = sum00, sum10 = sum00, sum11 = sum00;
            TVector sum20 = sum00, sum21 = sum00, sum30 = sum00, sum31 = sum00;
            for (nint k = 0; k < rank; k++)
            {
                TVector right0 = TLanes.Load(right);
                TVector right1 = TLanes.Load(right + TLanes.Count);
                right += PanelColumns;

                TVector factor = TLanes.Create(left0[k]);
                sum00 = TLanes.MultiplyAdd(factor, right0, sum00);
                sum01 = TLanes.MultiplyAdd(factor, right1, sum01);
                factor = TLanes.Create(left1[k]);
                sum10 = TLanes.MultiplyAdd(factor, right0, sum10);
                sum11 = TLanes.MultiplyAdd(factor, right1, sum11);
                factor = TLanes.Create(left2[k]);
                sum20 = TLanes.MultiplyAdd(factor, right0, sum20);
                sum21 = TLanes.MultiplyAdd(factor, right1, sum21);
                factor = TLanes.Create(left3[k]);
                sum30 = TLanes.MultiplyAdd(factor, right0, sum30);
                sum31 = TLanes.MultiplyAdd(factor, right1, sum31);
            }

            byte* from = source + ((nint)column * TFinish.SourceSize);
            byte* to = destination + ((nint)column * TFinish.DestinationSize);
            nint fromStride = sourceStride;
            nint toStride = destinationStride;
            int filled = Math.Min(PanelColumns, columns - column);
            bool isCut = filled < PanelColumns || rows < BlockRows;
            if (isCut)
            {
                fromStride = (nint)PanelColumns * TFinish.SourceSize;
                toStride = (nint)PanelColumns * TFinish.DestinationSize;
                CopyBlock(from, sourceStride, sourceCopy, fromStride, rows, filled * TFinish.SourceSize);
                from = sourceCopy;
                to = destinationCopy;
            }

            Finish(sum00, sum01, from, to);
            Finish(sum10, sum11, from + fromStride, to + toStride);
            Finish(sum20, sum21, from + (2 * fromStride), to + (2 * toStride));
            Finish(sum30, sum31, from + (3 * fromStride), to + (3 * toStride));
            if (isCut)
            {
                to = destination + ((nint)column * TFinish.DestinationSize);
                CopyBlock(destinationCopy, toStride, to, destinationStride, rows, filled * TFinish.DestinationSize);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(TVector sums0, TVector sums1, byte* source, byte* destination)
    {
        TFinish.Store(sums0, source, destination);
        TFinish.Store(sums1, source + (TLanes.Count * TFinish.SourceSize), destination + (TLanes.Count * TFinish.DestinationSize));
    }

    private static void CopyBlock(byte* from, nint fromStride, byte* to, nint toStride, int rows, int bytes)
    {
        for (int row = 0; row < rows; row++)
        {
            new ReadOnlySpan<byte>(from + (row * fromStride), bytes).CopyTo(new Span<byte>(to + (row * toStride), bytes));
        }
    }
}
