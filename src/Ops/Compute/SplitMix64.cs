namespace LoraKit.Ops.Compute;

/// <summary>What SplitMix64 is made of: numbers that look random, each a function of a counter alone.</summary>
internal static class SplitMix64
{
    /// <summary>From one state to the next.</summary>
    public const ulong Step = 0x9E3779B97F4A7C15;

    /// <summary>The finaliser: a state's number.</summary>
    public static ulong Mix(ulong state)
    {
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9;
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB;
        return state ^ (state >> 31);
    }
}
