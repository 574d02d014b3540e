using System.IO.Hashing;
using System.Text;
using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Stack;

/// <summary>
/// Uniform numbers that depend on seed, parameter, adapter and element alone, whatever is drawn before or beside: SplitMix64 at its
/// i-th step. See spec/algebra.md, "stack".
/// </summary>
internal readonly struct CounterRandom
{
    private readonly ulong _key;

    /// <param name="seed">The user's.</param>
    /// <param name="parameter">The full name of the parameter that is updated.</param>
    /// <param name="adapter">Which adapter: its place among the inputs.</param>
    public CounterRandom(long seed, string parameter, int adapter) =>
        _key = SplitMix64.Mix(XxHash64.HashToUInt64(Encoding.UTF8.GetBytes(parameter), seed) + (SplitMix64.Step * ((ulong)adapter + 1)));

    /// <summary>A number from 0 to below 1: 53 bits.</summary>
    /// <param name="element">The element's place in the row-major matrix.</param>
    public double Uniform(long element) => Math.ScaleB(SplitMix64.Mix(_key + (SplitMix64.Step * ((ulong)element + 1))) >> 11, -53);
}
