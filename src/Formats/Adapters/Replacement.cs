using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// Values that take the base's place before any update is added: a module trained in full (<c>modules_to_save</c>), an embedding saved
/// whole, a trained bias, rows of single tokens.
/// </summary>
public sealed record Replacement
{
    /// <summary>A replacement of the whole target or of some of its rows.</summary>
    /// <param name="target">What is replaced.</param>
    /// <param name="values">The new values: the whole tensor, or one row per entry of <paramref name="rows"/>.</param>
    /// <param name="rows">The rows of the base that are replaced; null replaces the tensor, whose first size may then grow.</param>
    /// <param name="reason">Why it is there, in the layout's words.</param>
    /// <exception cref="InvalidAdapterException">There is not one value row per entry, or an entry is negative or named twice.</exception>
    public Replacement(ParameterName target, TensorValue values, IReadOnlyList<long>? rows, string reason)
    {
        if (rows is not null) CheckRows(target, values, rows);
        Target = target;
        Values = values;
        Rows = rows;
        Reason = reason;
    }

    /// <summary>What is replaced.</summary>
    public ParameterName Target { get; }

    /// <summary>The new values: the whole tensor, or one row per entry of <see cref="Rows"/>.</summary>
    public TensorValue Values { get; }

    /// <summary>The rows of the base that are replaced, each once; null replaces the tensor, whose first size may then grow.</summary>
    public IReadOnlyList<long>? Rows { get; }

    /// <summary>Why it is there, in the layout's words: <c>modules_to_save</c>, <c>bias</c>, <c>embedding</c>, <c>trainable_tokens</c>, …</summary>
    public string Reason { get; }

    private static void CheckRows(ParameterName target, TensorValue values, IReadOnlyList<long> rows)
    {
        string where = values.File is { } file ? $"{Printable.Text(file)}: '{Printable.Text(target.Path)}'" : $"'{Printable.Text(target.Path)}'";
        long given = values.Shape.Rank == 0 ? 0 : values.Shape[0];
        if (given != rows.Count)
        {
            throw new InvalidAdapterException(
                $"{where}: tensor '{Printable.Text(values.Name)}' {values.Shape} has {given} rows, but "
                + $"{rows.Count} row indices are given",
                values.File, values.Name);
        }

        HashSet<long> seen = [];
        foreach (long row in rows)
        {
            if (row < 0 || !seen.Add(row))
            {
                throw new InvalidAdapterException(
                    $"{where}: row index {row} is {(row < 0 ? "negative" : "given twice")}; expected distinct "
                    + "indices from 0 on",
                    values.File, values.Name);
            }
        }
    }
}
