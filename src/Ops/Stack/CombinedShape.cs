using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Stack;

/// <summary>The shapes of a module's factors at another rank: the kernel's sizes stay.</summary>
internal static class CombinedShape
{
    public static TensorShape Down(LowRankDelta like, long rank) => new([rank, .. like.Down.Shape.Sizes.AsSpan()[1..]]);

    public static TensorShape Up(LowRankDelta like, long rank) => new([like.Up.Shape[0], rank, .. like.Up.Shape.Sizes.AsSpan()[2..]]);
}
