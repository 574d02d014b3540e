using LoraKit.Formats.Adapters;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>DoRA's magnitudes as PEFT stores them: one for every output, [out], of a convolution [1, out, 1…]; of an embedding [dim].</summary>
internal static class PeftMagnitudes
{
    /// <summary>The tensor of a module.</summary>
    /// <param name="module">The module's name in the file.</param>
    /// <param name="dora">Within <see cref="Limit"/>.</param>
    public static TensorToWrite Tensor(string module, MagnitudeDelta dora)
    {
        TensorValue magnitude = dora.Magnitude!;
        long count = magnitude.Shape.ElementCount;
        TensorShape shape = dora.Shape is { Rank: > 2 } kernel ? new([1, count, .. Enumerable.Repeat(1L, kernel.Rank - 2)]) : new(count);
        return new($"{module}.lora_magnitude_vector", magnitude.DType, shape, magnitude.ReadBytes);
    }

    /// <summary>Why they are not PEFT's, as the end of a sentence about their weight; null where they are.</summary>
    public static string? Limit(MagnitudeDelta dora) =>
        dora.Magnitude is null ? "has DoRA without magnitudes"
        // An embedding's outputs are its columns.
        : dora.IsByOutput(dora.Shape!.Value) == dora.IsEmbedding ? "has a magnitude of DoRA for every input, and PEFT has them for outputs"
        : null;
}
