using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Inspect;

/// <summary>The element type of several tensors as one word.</summary>
internal static class CommonType
{
    /// <summary>The type they share, <c>mixed</c>, or null for no tensors.</summary>
    public static string? Of(IEnumerable<TensorValue> tensors)
    {
        string? common = null;
        foreach (TensorValue tensor in tensors)
        {
            string type = (tensor as StoredTensor)?.Info.TypeName ?? tensor.DType.FileName();
            if (common is not null && common != type) return "mixed";
            common = type;
        }

        return common;
    }
}
