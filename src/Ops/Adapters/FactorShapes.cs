using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Adapters;

/// <summary>The shapes of a module's factors at another rank: the kernel's sizes stay.</summary>
internal static class FactorShapes
{
    public static TensorShape Down(LowRankDelta like, long rank) => Rows(like.Down, rank);

    public static TensorShape Up(LowRankDelta like, long rank) => new([like.OutFeatures, rank, .. like.Up.Shape.Sizes.AsSpan()[2..]]);

    /// <summary>A tensor's shape with so many rows.</summary>
    public static TensorShape Rows(TensorValue tensor, long rows) => new([rows, .. tensor.Shape.Sizes.AsSpan()[1..]]);
}
