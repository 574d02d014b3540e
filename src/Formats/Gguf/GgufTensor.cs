using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Gguf;

/// <summary>What a GGUF header says of one tensor, after validation.</summary>
/// <param name="Name">The name, exactly as in the file; hostile text until it is escaped.</param>
/// <param name="Type">How its elements are stored.</param>
/// <param name="Shape">The sizes, outermost first: the file lists them innermost first, and its bytes are row-major.</param>
/// <param name="Offset">Where the bytes begin, counted from the start of the file.</param>
/// <param name="ByteLength">How many bytes, without the padding.</param>
internal sealed record GgufTensor(string Name, GgmlType Type, TensorShape Shape, long Offset, long ByteLength)
{
    /// <summary>One past the last byte.</summary>
    public long End => Offset + ByteLength;
}
