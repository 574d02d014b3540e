namespace LoraKit.Formats.Layouts.Names;

/// <summary>
/// How the rows of a weight of the original model are those of diffusers' weights. One of a few rules, each by the shapes alone. See spec/layouts/names.md,
/// "Rows".
/// </summary>
internal sealed class RowDivision
{
    private readonly Func<long, long, int, long[]?> _ofWhole;
    private readonly Func<long?[], long, long[]?> _ofParts;
    private readonly Func<long, long, bool>? _swaps;

    private RowDivision(Func<long, long, int, long[]?> ofWhole, Func<long?[], long, long[]?> ofParts, Func<long, long, bool>? swaps = null) =>
        (_ofWhole, _ofParts, _swaps) = (ofWhole, ofParts, swaps);

    /// <summary>One weight is one weight.</summary>
    public static RowDivision Whole { get; } = new((rows, _, _) => [rows], (parts, _) => parts[0] is { } rows ? [rows] : null);

    /// <summary>All parts have the same number of rows: q, k, v of ordinary attention; gate and up.</summary>
    public static RowDivision Equal { get; } = new(
        (rows, _, parts) => rows % parts == 0 ? [.. Enumerable.Repeat(rows / parts, parts)] : null,
        (parts, _) => parts.OfType<long>().Distinct().ToArray() is [var rows] ? [.. parts.Select(_ => rows)] : null);

    /// <summary>
    /// All parts but the last have as many rows as the weight has columns, and the last has the rest: q, k, v beside what goes into the MLP, which is four times as wide where nothing says
    /// otherwise (FLUX, HunyuanVideo).
    /// </summary>
    public static RowDivision ColumnsThenRest { get; } = new(
        (rows, columns, parts) => rows > (parts - 1) * columns ? [.. Enumerable.Repeat(columns, parts - 1), rows - ((parts - 1) * columns)] : null,
        (parts, columns) => parts[..^1].All(rows => rows is null || rows == columns) ? [.. Enumerable.Repeat(columns, parts.Length - 1), parts[^1] ?? 4 * columns] : null);

    /// <summary>q has as many rows as the weight has columns; k and v share the rest: attention of grouped queries (Lumina 2).</summary>
    public static RowDivision GroupedQueries { get; } = new(
        (rows, columns, _) => rows > columns && (rows - columns) % 2 == 0 ? [columns, (rows - columns) / 2, (rows - columns) / 2] : null,
        (parts, columns) => parts is [var q, var k, var v] && (q ?? columns) == columns && (k ?? v) is { } rows && (v ?? rows) == rows ? [columns, rows, rows] : null);

    /// <summary>One weight is one weight, its halves the other way round: scale and shift of the last modulation.</summary>
    public static RowDivision HalvesSwapped { get; } = new(Whole._ofWhole, Whole._ofParts, (rows, _) => rows % 2 == 0);

    /// <summary>As <see cref="HalvesSwapped"/>, but only where the rows are twice the columns: the last block's modulation has two parts, that of the others six or nine (SD3).</summary>
    public static RowDivision HalvesSwappedWhereLast { get; } = new(Whole._ofWhole, Whole._ofParts, (rows, columns) => rows == 2 * columns);

    /// <summary>Whether some shape has its rows in another order.</summary>
    public bool CanReorder => _swaps is not null;

    /// <summary>The rows of each part; null where the shape does not divide so.</summary>
    /// <param name="rows">The original weight's outputs.</param>
    /// <param name="columns">Its inputs.</param>
    /// <param name="parts">How many parts.</param>
    public long[]? OfWhole(long rows, long columns, int parts) => _ofWhole(rows, columns, parts);

    /// <summary>The rows of each part, those that are not there included; null where those that are there do not tell, or contradict.</summary>
    /// <param name="parts">Rows of each part; null for one that is not at hand.</param>
    /// <param name="columns">The inputs, which all share.</param>
    public long[]? OfParts(long?[] parts, long columns) => _ofParts(parts, columns);

    /// <summary>Where the rows of each part lie, in the original's order.</summary>
    /// <param name="parts">The rows of each part.</param>
    /// <param name="columns">The inputs.</param>
    public IReadOnlyList<RowSegment> Segments(long[] parts, long columns)
    {
        long rows = parts.Sum();
        if (_swaps?.Invoke(rows, columns) == true) return [new(0, rows / 2, 0, rows / 2), new(0, 0, rows / 2, rows / 2)];
        List<RowSegment> segments = [];
        long first = 0;
        for (int part = 0; part < parts.Length; part++)
        {
            segments.Add(new(part, 0, first, parts[part]));
            first += parts[part];
        }

        return segments;
    }
}
