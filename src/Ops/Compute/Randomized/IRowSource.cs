namespace LoraKit.Ops.Compute.Randomized;

/// <summary>A dense matrix whose rows can be had again and again, and need not exist between: a file, a difference of two.</summary>
public interface IRowSource
{
    /// <summary>How many rows.</summary>
    long Rows { get; }

    /// <summary>Elements per row.</summary>
    int Columns { get; }

    /// <summary>Reads rows as doubles; the same values each time, from several threads at once.</summary>
    /// <param name="first">The first row.</param>
    /// <param name="count">How many.</param>
    /// <param name="destination">Row i begins at i · <paramref name="stride"/>; what lies between rows is left alone.</param>
    /// <param name="stride">Elements from row to row in the destination; at least <see cref="Columns"/>.</param>
    void ReadRows(long first, int count, Span<double> destination, int stride);
}
