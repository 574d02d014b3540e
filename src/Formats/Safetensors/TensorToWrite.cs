using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Safetensors;

/// <summary>A tensor of a file to be written.</summary>
/// <param name="Name">Its name.</param>
/// <param name="DType">The element type.</param>
/// <param name="Shape">The sizes, outermost first.</param>
/// <param name="Bytes">Where its bytes come from; asked for in ascending order.</param>
public sealed record TensorToWrite(string Name, DType DType, TensorShape Shape, TensorBytes Bytes)
{
    /// <summary>A tensor as it is, under its own or another name.</summary>
    public static TensorToWrite Of(TensorValue value, string? name = null) => new(name ?? value.Name, value.DType, value.Shape, value.ReadBytes);
}
