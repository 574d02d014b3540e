using System.Runtime.CompilerServices;

namespace LoraKit.Ops.Compute;

/// <summary>
/// A product with its right factor in panels: columns in groups of <see cref="PanelColumns"/>, each group k-major and without gaps, the
/// last one filled up with zeros. A kernel so reads it from front to back in whole registers.
/// </summary>
internal sealed class PackedProduct<T> : IPreparedProduct
    where T : unmanaged
{
    private const int CacheLine = 64;

    private T[]? _left;
    private T[]? _panels;
    private readonly int _firstPanel;

    public PackedProduct(LowRankProduct product, T[] left, T[] right, int panelColumns)
    {
        Rows = product.Rows;
        Columns = product.Columns;
        Rank = product.Rank;
        PanelColumns = panelColumns;
        _left = left;
        if (Rank == 0 || Columns == 0)
        {
            _panels = [];
            return;
        }

        int panels = ((Columns - 1) / panelColumns) + 1;
        int slack = CacheLine / Unsafe.SizeOf<T>();
        _panels = GC.AllocateUninitializedArray<T>(checked((panels * panelColumns * Rank) + slack), pinned: true);
        _firstPanel = OffsetOfCacheLine(_panels);
        for (int panel = 0; panel < panels; panel++)
        {
            int firstColumn = panel * panelColumns;
            int filled = Math.Min(panelColumns, Columns - firstColumn);
            for (int k = 0; k < Rank; k++)
            {
                Span<T> row = _panels.AsSpan(_firstPanel + (((panel * Rank) + k) * panelColumns), panelColumns);
                right.AsSpan((k * Columns) + firstColumn, filled).CopyTo(row);
                row[filled..].Clear();
            }
        }
    }

    public long Rows { get; }

    public int Columns { get; }

    public int Rank { get; }

    public int PanelColumns { get; }

    /// <summary>[rows, rank], row-major.</summary>
    public T[] Left => _left ?? throw new ObjectDisposedException(nameof(IPreparedProduct));

    /// <summary>The first panel, on a cache line; the array never moves.</summary>
    public unsafe T* Panels
    {
        get
        {
            T[] panels = _panels ?? throw new ObjectDisposedException(nameof(IPreparedProduct));
            return (T*)Unsafe.AsPointer(ref panels[_firstPanel]);
        }
    }

    public void Dispose() => _left = _panels = null;

    private static unsafe int OffsetOfCacheLine(T[] pinned)
    {
        nuint address = (nuint)Unsafe.AsPointer(ref pinned[0]);
        return (int)((CacheLine - (address % CacheLine)) % CacheLine) / sizeof(T);
    }
}
