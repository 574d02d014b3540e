using System.IO.Hashing;
using System.Text;

namespace LoraKit.Ops.Stack;

/// <summary>
/// Uniform numbers that depend on seed, parameter, adapter and element alone, whatever is drawn before or beside: SplitMix64 at its
/// i-th step. See spec/algebra.md, "stack".
/// </summary>
internal readonly struct CounterRandom
{
    private const ulong Step = 0x9E3779B97F4A7C15;
    private readonly ulong _key;

    /// <param name="seed">The user's.</param>
    /// <param name="parameter">The full name of the parameter that is updated.</param>
    /// <param name="adapter">Which adapter: its place among the inputs.</param>
    public CounterRandom(long seed, string parameter, int adapter) =>
        _key = Mix(XxHash64.HashToUInt64(Encoding.UTF8.GetBytes(parameter), seed) + (Step * ((ulong)adapter + 1)));

    /// <summary>A number from 0 to below 1: 53 bits.</summary>
    /// <param name="element">The element's place in the row-major matrix.</param>
    public double Uniform(long element) => Math.ScaleB(Mix(_key + (Step * ((ulong)element + 1))) >> 11, -53);

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
