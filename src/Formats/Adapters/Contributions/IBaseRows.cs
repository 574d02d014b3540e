namespace LoraKit.Formats.Adapters.Contributions;

/// <summary>The base's weight W before any update (after what replaces it), as [out, in·kernel] in F64; read when asked for, from any thread.</summary>
internal interface IBaseRows
{
    /// <summary>Reads rows [firstRow, firstRow + rows).</summary>
    /// <param name="firstRow">The first row.</param>
    /// <param name="rows">How many.</param>
    /// <param name="values">rows × columns.</param>
    void Read(long firstRow, int rows, Span<double> values);
}
