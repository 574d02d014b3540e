using System.Runtime.CompilerServices;

namespace LoraKit.Ops.Compute.Randomized;

/// <summary>
/// A matrix in doubles, its columns in panels of sixteen: each panel is row-major and without gaps, the last one filled up with zero
/// columns. A row of a panel is two cache lines, so products of such matrices run over whole registers of any width.
/// </summary>
internal sealed unsafe class PanelMatrix
{
    /// <summary>Columns of a panel.</summary>
    public const int PanelColumns = 16;

    private const int CacheLine = 64;
    private readonly double[] _values;
    private readonly double* _first;

    public PanelMatrix(int rows, int columns)
    {
        Rows = rows;
        Columns = columns;
        Panels = (columns + PanelColumns - 1) / PanelColumns;
        // Pinned, so that the aligned address stays right.
        _values = GC.AllocateArray<double>(checked((Panels * rows * PanelColumns) + (CacheLine / sizeof(double))), pinned: true);
        nuint address = (nuint)Unsafe.AsPointer(ref _values[0]);
        _first = (double*)((address + CacheLine - 1) & ~(nuint)(CacheLine - 1));
    }

    public int Rows { get; }

    public int Columns { get; }

    public int Panels { get; }

    public ref double this[int row, int column] => ref Panel(column / PanelColumns)[((nint)row * PanelColumns) + (column % PanelColumns)];

    /// <summary>Elements of a panel, row-major.</summary>
    public double* Panel(int panel) => _first + ((nint)panel * Rows * PanelColumns);

    /// <summary>All elements, with the columns of zeros at the end.</summary>
    public Span<double> Values => new(_first, Panels * Rows * PanelColumns);

    public void Clear() => Array.Clear(_values);

    /// <summary>Row-major, without gaps.</summary>
    public static PanelMatrix From(ReadOnlySpan<double> values, int rows, int columns)
    {
        PanelMatrix matrix = new(rows, columns);
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++) matrix[i, j] = values[(i * columns) + j];
        }

        return matrix;
    }
}
