using System.Text;

namespace LoraKit.Tool.Render;

/// <summary>Columns of text, as wide as their widest cell. Cells are escaped here.</summary>
internal sealed class TextTable
{
    private readonly List<string[]> _rows = [];
    private readonly bool[] _right;

    /// <summary>A table with a heading.</summary>
    /// <param name="columns">Headings; one that begins with <c>&gt;</c> is of a column of numbers, aligned to the right.</param>
    public TextTable(params ReadOnlySpan<string> columns)
    {
        _right = new bool[columns.Length];
        string[] heading = new string[columns.Length];
        for (int i = 0; i < columns.Length; i++)
        {
            _right[i] = columns[i].StartsWith('>');
            heading[i] = columns[i].TrimStart('>');
        }

        _rows.Add(heading);
    }

    public void Add(params ReadOnlySpan<string> cells)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(cells.Length, _right.Length);
        string[] row = new string[cells.Length];
        for (int i = 0; i < cells.Length; i++)
        {
            row[i] = TerminalText.Escape(cells[i]);
        }

        _rows.Add(row);
    }

    public void Write(TextWriter output)
    {
        int[] widths = new int[_right.Length];
        foreach (string[] row in _rows)
        {
            for (int i = 0; i < row.Length; i++)
            {
                widths[i] = Math.Max(widths[i], row[i].Length);
            }
        }

        StringBuilder line = new();
        foreach (string[] row in _rows)
        {
            line.Clear();
            for (int i = 0; i < row.Length; i++)
            {
                if (i > 0) line.Append("  ");
                line.Append(_right[i] ? row[i].PadLeft(widths[i]) : row[i].PadRight(widths[i]));
            }

            output.WriteLine(line.ToString().TrimEnd());
        }
    }
}
