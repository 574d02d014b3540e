namespace LoraKit.Formats.Tensors;

/// <summary>What a header says of one tensor, after validation.</summary>
/// <param name="Name">The name, exactly as in the file; hostile text until it is escaped.</param>
/// <param name="DType">The element type.</param>
/// <param name="Shape">The sizes, outermost first.</param>
/// <param name="Offset">Where the bytes begin, counted from the start of the file.</param>
/// <param name="ByteLength">How many bytes; equals shape × bits / 8.</param>
public sealed record TensorInfo(string Name, DType DType, TensorShape Shape, long Offset, long ByteLength)
{
    /// <summary>One past the last byte, counted from the start of the file.</summary>
    public long End => Offset + ByteLength;
}
