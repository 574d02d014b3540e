using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Adapters;

/// <summary>What an update takes as it is stored, in bytes.</summary>
internal static class StoredSize
{
    public static long Of(AdapterDelta delta) => delta.Tensors.Sum(t => t.Shape.ElementCount * t.DType.Bytes());
}
