using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>The updates of a stack of experts by the definition: ΔW[e, o, i] = s · Σ B[o, column of (e, j)] · A[e·r + j, i].</summary>
internal static class ExpertUpdates
{
    /// <summary>All of them, one expert after the other.</summary>
    public static double[] Of(ExpertsDelta delta)
    {
        (double[] a, double[] b) = (delta.Down.ToDoubles(), delta.Up.ToDoubles());
        (long experts, long rank, long outs, long ins) = (delta.Experts, delta.Rank, delta.Up.Shape[0], delta.Down.Shape[1]);
        double[] sum = new double[experts * outs * ins];
        for (long e = 0; e < experts; e++)
        {
            for (long o = 0; o < outs; o++)
            {
                for (long i = 0; i < ins; i++)
                {
                    for (long j = 0; j < rank; j++)
                    {
                        long column = delta.Order == ExpertColumns.RankMajor ? (j * experts) + e : (e * rank) + j;
                        sum[(((e * outs) + o) * ins) + i] += delta.Scale * b[(o * experts * rank) + column] * a[(((e * rank) + j) * ins) + i];
                    }
                }
            }
        }

        return sum;
    }
}
