using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Stack.Factors;

/// <summary>A method that works on the factors: nothing of size out × in is formed.</summary>
internal abstract class FactorMethod(string name, StackSetting uses, RankDefault rank) : StackMethod(name, uses)
{
    /// <summary>How the result is cut where the user says nothing.</summary>
    public RankDefault DefaultRank { get; } = rank;

    /// <summary>The combined update.</summary>
    /// <param name="tasks">One per adapter that has the module.</param>
    /// <param name="settings">What the user chose.</param>
    /// <param name="compute">Decomposes.</param>
    public abstract CombinedUpdate Combine(IReadOnlyList<TaskUpdate> tasks, MethodSettings settings, ICompute compute);
}

/// <summary>The rank of a result where none is asked for.</summary>
internal enum RankDefault : byte
{
    /// <summary>The factors stay as they come.</summary>
    AsItIs,

    /// <summary>The least that loses nothing.</summary>
    Lossless,

    /// <summary>The largest of the inputs'.</summary>
    LargestInput,
}
