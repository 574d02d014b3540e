using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Gguf;

/// <summary>The one alpha of a file, by which llama.cpp multiplies: alpha / r of each tensor. See spec/layouts/gguf.md, "Scale".</summary>
internal static class GgufAlpha
{
    // Alpha is an F32: half a unit of its last place is what it rounds.
    private const double Rounding = 1.0 / (1 << 24);

    /// <summary>The alpha that most modules have, so that as few factors as can be change; 1 where none can be stored.</summary>
    public static float Of(IEnumerable<LowRankDelta> modules) => modules.Select(module => (float)(module.Scale * module.Rank))
        .Where(alpha => float.IsNormal(alpha)) // 0 would be taken for 1.
        .GroupBy(alpha => alpha).OrderByDescending(group => group.Count()).FirstOrDefault()?.Key ?? 1;

    /// <summary>Whether a module has that alpha, as closely as the file says it.</summary>
    public static bool Is(LowRankDelta module, float alpha) => Math.Abs((module.Scale * module.Rank) - alpha) <= Math.Abs(alpha) * Rounding;

    /// <summary>The same update with that alpha; what its scale has more goes into B.</summary>
    public static LowRankDelta With(LowRankDelta module, float alpha) => Is(module, alpha)
        ? module
        : module.With(module.Down, ScaledTensor.Of(module.Up, module.Scale * module.Rank, alpha), alpha / (double)module.Rank, alpha);
}
