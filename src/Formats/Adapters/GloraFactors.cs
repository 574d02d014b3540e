using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>The factors of GLoRA by their meaning, whatever the file calls them.</summary>
/// <param name="A1">[in, r] or [in, r, 1…].</param>
/// <param name="A2">[r, in] or [r, in, 1…].</param>
/// <param name="B1">[out, r] or [out, r, 1…].</param>
/// <param name="B2">[r, in, …kernel].</param>
/// <param name="Scale">The resolved multiplier.</param>
public sealed record GloraFactors(TensorValue A1, TensorValue A2, TensorValue B1, TensorValue B2, double Scale)
{
    /// <summary>The four, in this order.</summary>
    public IReadOnlyList<TensorValue> Tensors => [A1, A2, B1, B2];

    /// <summary>The weight's shape, [out, in, …kernel].</summary>
    public TensorShape Shape => new([B1.Shape[0], .. B2.Shape.Sizes.AsSpan()[1..]]);

    /// <summary>Whether the shapes belong together.</summary>
    internal bool Chain => Tensors.All(tensor => tensor.Shape.Rank >= 2) && IsMatrix(A1) && IsMatrix(A2) && IsMatrix(B1)
        && A1.Shape[1] == A2.Shape[0] && A1.Shape[0] == A2.Shape[1] && B1.Shape[1] == B2.Shape[0] && B2.Shape[1] == A1.Shape[0];

    /// <summary>Whether the weight is of this shape; a kernel of one element may be left out on either side.</summary>
    internal bool Fits(TensorShape weight) => Chain && weight.Rank >= 2 && weight[1] == Shape[1] && weight.AsMatrix() == Shape.AsMatrix();

    private static bool IsMatrix(TensorValue tensor) => tensor.Shape.AsMatrix().Columns == tensor.Shape[1];
}
