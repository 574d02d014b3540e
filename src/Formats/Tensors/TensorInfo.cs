namespace LoraKit.Formats.Tensors;

/// <summary>What a header says of one tensor, after validation.</summary>
/// <param name="Name">The name, exactly as in the file; hostile text until it is escaped.</param>
/// <param name="DType">The element type.</param>
/// <param name="Shape">The sizes, outermost first.</param>
/// <param name="Offset">Where the bytes begin, counted from the start of the file.</param>
/// <param name="ByteLength">How many bytes; equals shape × bits / 8, but for <see cref="Blocks"/>.</param>
public sealed record TensorInfo(string Name, DType DType, TensorShape Shape, long Offset, long ByteLength)
{
    /// <summary>
    /// Where bytes hold elements in blocks, ggml's name of these (<c>Q4_K</c>); null where each element is a <see cref="DType"/>. That is U8 then, for the bytes; they may be copied, and are no numbers.
    /// </summary>
    public string? Blocks { get; init; }

    /// <summary>How the elements are stored, as files spell it: <c>BF16</c>, <c>Q4_K</c>.</summary>
    public string TypeName => Blocks ?? DType.FileName();

    /// <summary>One past the last byte, counted from the start of the file.</summary>
    public long End => Offset + ByteLength;
}
