using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Stack.PeftSemantics;

/// <summary>
/// PEFT's merge_utils on equally long tensors, in F32 and in its order of operations. Pruning by magnitude keeps ⌊density · n⌋ values (of equal
/// magnitudes the first), at random it divides what stays by the density. A majority is elected among the pruned tensors without their weights; where
/// signs are elected, Σ maskᵢ·wᵢ·Tᵢ is divided by the number that agree, at least 1. A zero never agrees.
/// </summary>
internal static class PeftArithmetic
{
    /// <param name="tensors">One per adapter; not changed.</param>
    /// <param name="weights">One per adapter.</param>
    /// <param name="types">The element types that the tensors have in torch, one per adapter.</param>
    /// <param name="options">The combination type decides what is done; a density is there where it prunes.</param>
    /// <param name="uniform">For random pruning: of adapter and element.</param>
    public static float[] Combine(
        IReadOnlyList<float[]> tensors, IReadOnlyList<float> weights, IReadOnlyList<DType> types, PeftCombinationOptions options,
        Func<int, long, double> uniform)
    {
        float[][] pruned = options is { Density: < 1 and var density } && options.Type.Prunes()
            ? [.. tensors.Select((t, i) => options.Type.IsRandom() ? PruneRandomly(t, i, density, types[i], uniform) : PruneByMagnitude(t, density))]
            : [.. tensors];
        float[] result = new float[pruned[0].Length];
        for (int j = 0; j < result.Length; j++)
        {
            result[j] = options.Type.Elects() ? Disjoint(pruned, weights, options.MajoritySign, j) : Sum(pruned, weights, j);
        }

        return result;
    }

    private static float Sum(float[][] tensors, IReadOnlyList<float> weights, int element)
    {
        float sum = 0;
        for (int i = 0; i < tensors.Length; i++)
        {
            sum += tensors[i][element] * weights[i];
        }

        return sum;
    }

    private static float Disjoint(float[][] tensors, IReadOnlyList<float> weights, PeftMajoritySign method, int element)
    {
        float votes = 0;
        foreach (float[] tensor in tensors)
        {
            votes += method == PeftMajoritySign.Total ? tensor[element] : MathF.Sign(tensor[element]);
        }

        int majority = votes >= 0 ? 1 : -1;
        float sum = 0;
        int agreeing = 0;
        for (int i = 0; i < tensors.Length; i++)
        {
            if (MathF.Sign(tensors[i][element]) != majority) continue;
            sum += tensors[i][element] * weights[i];
            agreeing++;
        }

        return sum / Math.Max(1, agreeing);
    }

    private static float[] PruneByMagnitude(float[] tensor, double density)
    {
        int kept = (int)(density * tensor.Length);
        float[] magnitudes = [.. tensor.Select(MathF.Abs)];
        Array.Sort(magnitudes);
        float threshold = kept == 0 ? float.PositiveInfinity : magnitudes[^kept];
        int ties = kept - (magnitudes.Length - 1 - Array.FindLastIndex(magnitudes, m => m <= threshold));
        float[] result = new float[tensor.Length];
        for (int i = 0; i < tensor.Length; i++)
        {
            float magnitude = MathF.Abs(tensor[i]);
            bool stays = magnitude > threshold || (magnitude == threshold && ties-- > 0);
            result[i] = stays ? tensor[i] : tensor[i] * 0;
        }

        return result;
    }

    private static float[] PruneRandomly(float[] tensor, int adapter, double density, DType type, Func<int, long, double> uniform)
    {
        float divisor = (float)density;
        float[] result = new float[tensor.Length];
        for (int i = 0; i < tensor.Length; i++)
        {
            result[i] = tensor[i] * (uniform(adapter, i) < density ? 1 : 0) / divisor;
        }

        return PeftRounding.Round(result, type);
    }
}
