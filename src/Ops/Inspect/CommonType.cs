using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Inspect;

/// <summary>The element type of several tensors as one word.</summary>
internal static class CommonType
{
    /// <summary>The type they share, <c>mixed</c>, or null for no tensors.</summary>
    public static string? Of(IEnumerable<TensorValue> tensors)
    {
        DType? common = null;
        foreach (TensorValue tensor in tensors)
        {
            if (common is { } other && other != tensor.DType) return "mixed";
            common = tensor.DType;
        }

        return common?.FileName();
    }
}
