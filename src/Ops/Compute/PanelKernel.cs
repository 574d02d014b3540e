using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using LoraKit.Formats.Tensors.Floats;

namespace LoraKit.Ops.Compute;

/// <summary>
/// The one loop nest of the managed backend. Four rows by two registers of columns are summed in registers while k runs; a strip of such
/// blocks is kept on the stack, and <typeparamref name="TFinish"/> carries it to the destination. A loop nest that calls nothing keeps
/// its sums in registers, so summing and finishing are two methods.
/// </summary>
internal static unsafe class PanelKernel<TLanes, TVector, T, TFinish>
    where TLanes : IProductLanes<TVector, T>
    where TVector : unmanaged
    where T : unmanaged
    where TFinish : IFinish<TVector>
{
    private const int BlockRows = 4;

    /// <summary>Panels that are summed before they are finished: the sums should stay in the first-level cache.</summary>
    private const int StripPanels = 4;

    /// <summary>As much of the right factor as is swept before the next rows: it should stay in the second-level cache.</summary>
    private const int SweepBytes = 256 << 10;

    /// <summary>A register stored across two lines would cost twice.</summary>
    private const int CacheLine = 64;

    /// <summary>Columns of a panel: what two registers hold.</summary>
    public static int PanelColumns => 2 * TLanes.Count;

    private static int StripColumns => StripPanels * PanelColumns;

    /// <summary>Fills the tile's destination.</summary>
    public static void Run(Tile tile, PackedProduct<T> product, long firstRow) => Run<TFinish>(tile, product, firstRow, default);

    /// <summary>Fills the tile's destination, and from that by another finish of the same sums as many elements of the source's type; none where there is no room for them.</summary>
    public static void Run<TBack>(Tile tile, PackedProduct<T> product, long firstRow, Span<byte> back)
        where TBack : IFinish<TVector>
    {
        int rank = product.Rank;
        nint sourceStride = (nint)tile.Columns * TFinish.SourceSize;
        nint destinationStride = (nint)tile.Columns * TFinish.DestinationSize;
        nint panelBytes = (nint)rank * PanelColumns * sizeof(T);
        int sweepColumns = (int)Math.Max(1, SweepBytes / panelBytes) * PanelColumns;
        fixed (T* left = &product.Left[firstRow * rank])
        fixed (byte* source = tile.Source, destination = tile.Destination, backs = back)
        {
            for (int column = 0; column < tile.Columns; column += sweepColumns)
            {
                int columns = Math.Min(sweepColumns, tile.Columns - column);
                T* panels = product.Panels + ((nint)column * rank);
                for (int row = 0; row < tile.Rows; row += BlockRows)
                {
                    nint first = ((nint)row * tile.Columns) + column;
                    AddRows<TBack>(
                        left + ((nint)row * rank), panels, rank, Math.Min(BlockRows, tile.Rows - row), columns,
                        source + (first * TFinish.SourceSize), sourceStride,
                        destination + (first * TFinish.DestinationSize), destinationStride,
                        backs is null ? null : backs + (first * TFinish.SourceSize));
                }
            }
        }
    }

    /// <summary>Up to <see cref="BlockRows"/> rows, all columns of a sweep.</summary>
    [SkipLocalsInit]
    private static void AddRows<TBack>(
        T* left, T* panels, int rank, int rows, int columns, byte* source, nint sourceStride, byte* destination, nint destinationStride, byte* back)
        where TBack : IFinish<TVector>
    {
        byte* stack = stackalloc byte[(BlockRows * StripColumns * sizeof(T)) + CacheLine];
        T* sums = (T*)(((nuint)stack + CacheLine - 1) & ~(nuint)(CacheLine - 1));
        for (int column = 0; column < columns; column += StripColumns)
        {
            int strip = Math.Min(StripColumns, columns - column);
            for (int row = 0; row < rows; row++)
            {
                Prefetch(source + (row * sourceStride) + ((nint)column * TFinish.SourceSize), strip * TFinish.SourceSize);
                Prefetch(destination + (row * destinationStride) + ((nint)column * TFinish.DestinationSize), strip * TFinish.DestinationSize);
            }

            Sum(left, panels + ((nint)column * rank), rank, rows, strip, sums);
            for (int row = 0; row < rows; row++)
            {
                Finish(
                    sums + (row * StripColumns), strip,
                    source + (row * sourceStride) + ((nint)column * TFinish.SourceSize),
                    destination + (row * destinationStride) + ((nint)column * TFinish.DestinationSize));
                if (back is null) continue;
                PanelKernel<TLanes, TVector, T, TBack>.Finish(
                    sums + (row * StripColumns), strip,
                    destination + (row * destinationStride) + ((nint)column * TFinish.DestinationSize),
                    back + (row * sourceStride) + ((nint)column * TFinish.SourceSize));
            }
        }
    }

    /// <summary>Asks for memory that is needed after the sums, so that it travels meanwhile.</summary>
    private static void Prefetch(byte* address, int bytes)
    {
        if (!Sse.IsSupported) return;
        for (int i = 0; i < bytes; i += CacheLine)
        {
            Sse.Prefetch0(address + i);
        }
    }

    /// <summary>sums[i, j] = Σₖ left[i, k]·right[k, j], for the panels that hold the columns; rows that are not there repeat the last.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Sum(T* left, T* right, int rank, int rows, int columns, T* sums)
    {
        T* left1 = left + ((nint)Math.Min(1, rows - 1) * rank);
        T* left2 = left + ((nint)Math.Min(2, rows - 1) * rank);
        T* left3 = left + ((nint)Math.Min(3, rows - 1) * rank);
        for (int column = 0; column < columns; column += PanelColumns)
        {
            TVector sum00 = TLanes.Create(default), sum01 = sum00, sum10 = sum00, sum11 = sum00;
            TVector sum20 = sum00, sum21 = sum00, sum30 = sum00, sum31 = sum00;
            for (nint k = 0; k < rank; k++)
            {
                TVector right0 = TLanes.Load(right);
                TVector right1 = TLanes.Load(right + TLanes.Count);
                right += PanelColumns;

                TVector factor = TLanes.Create(left[k]);
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

            TLanes.Store(sum00, sums);
            TLanes.Store(sum01, sums + TLanes.Count);
            TLanes.Store(sum10, sums + StripColumns);
            TLanes.Store(sum11, sums + StripColumns + TLanes.Count);
            TLanes.Store(sum20, sums + (2 * StripColumns));
            TLanes.Store(sum21, sums + (2 * StripColumns) + TLanes.Count);
            TLanes.Store(sum30, sums + (3 * StripColumns));
            TLanes.Store(sum31, sums + (3 * StripColumns) + TLanes.Count);
            sums += PanelColumns;
        }
    }

    /// <summary>One row of a strip; a last register that the row does not fill is finished on a copy.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Finish(T* sums, int columns, byte* source, byte* destination)
    {
        int column = 0;
        for (; column <= columns - TLanes.Count; column += TLanes.Count)
        {
            TFinish.Store(TLanes.Load(sums + column), source, destination);
            source += TLanes.Count * TFinish.SourceSize;
            destination += TLanes.Count * TFinish.DestinationSize;
        }

        int rest = columns - column;
        if (rest > 0)
        {
            byte* copy = stackalloc byte[2 * sizeof(TVector) / sizeof(T) * sizeof(double)];
            byte* result = copy + (sizeof(TVector) / sizeof(T) * sizeof(double));
            new ReadOnlySpan<byte>(source, rest * TFinish.SourceSize).CopyTo(new Span<byte>(copy, rest * TFinish.SourceSize));
            TFinish.Store(TLanes.Load(sums + column), copy, result);
            new ReadOnlySpan<byte>(result, rest * TFinish.DestinationSize)
                .CopyTo(new Span<byte>(destination, rest * TFinish.DestinationSize));
        }
    }
}
