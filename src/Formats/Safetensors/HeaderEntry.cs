using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Safetensors;

/// <summary>
/// One tensor as a header states it, before the layout is checked. Offsets count from the start of the data; they and the size
/// are unsigned because a hostile header may say anything up to 2⁶⁴−1.
/// </summary>
/// <param name="Name">The decoded name.</param>
/// <param name="Shape">The shape; sizes beyond 2⁶³−1 are held as 2⁶³−1.</param>
/// <param name="Begin">First byte.</param>
/// <param name="End">One past the last byte.</param>
/// <param name="Size">What shape and element type ask for.</param>
/// <param name="Index">Its place in the header's text; ties between empty tensors keep it.</param>
/// <param name="DType">The element type.</param>
internal readonly record struct HeaderEntry(
    string Name, TensorShape Shape, ulong Begin, ulong End, TensorSize Size, int Index, DType DType);
