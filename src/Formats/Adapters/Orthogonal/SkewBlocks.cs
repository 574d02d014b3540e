using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters.Orthogonal;

/// <summary>The blocks X of LyCORIS' and sd-scripts' orthogonal kinds as Q = X − Xᵀ, all together held to the constraint.</summary>
internal static class SkewBlocks
{
    // Added to norms by both programs, so that nothing is divided by 0.
    private const double Epsilon = 1e-8;

    /// <summary>One Q after the other, row-major.</summary>
    /// <param name="blocks">X [.., n, n].</param>
    /// <param name="limit">The most ‖Q‖ may be, the norm taken over all blocks; null where there is none.</param>
    /// <param name="context">What to read with.</param>
    public static double[] Read(TensorValue blocks, OrthogonalLimit? limit, ContributionContext context)
    {
        int size = checked((int)blocks.Shape.Sizes[^1]);
        double[] values = context.Read(blocks);
        for (int start = 0; start < values.Length; start += size * size)
        {
            Span<double> block = values.AsSpan(start, size * size);
            SkewSymmetric.OfDifference(block, size, 1).CopyTo(block);
        }

        if (limit is null) return values;
        double factor = limit.Factor(Math.Sqrt(context.Arithmetic.Dot(values, values)), Epsilon);
        for (int i = 0; i < values.Length; i++)
        {
            values[i] *= factor;
        }

        return values;
    }

    /// <summary>What blocks must be: a list of square matrices.</summary>
    public static bool AreSquare(TensorValue blocks) => blocks.Shape.Rank >= 3 && blocks.Shape.Sizes[^1] == blocks.Shape.Sizes[^2]
        && blocks.Shape.Sizes[^1] <= Array.MaxLength / blocks.Shape.Sizes[^1] && blocks.Shape.ElementCount <= Array.MaxLength;
}
