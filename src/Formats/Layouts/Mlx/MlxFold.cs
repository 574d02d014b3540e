using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts.Mlx;

/// <summary>One scale and one rank for all modules, as the configuration has it: the most frequent scale, so that most factors stay as they are, and the highest rank.</summary>
internal static class MlxFold
{
    public static Adapter Of(Adapter adapter)
    {
        AdapterDelta[] deltas = [.. adapter.Deltas.SelectMany(MlxExperts.Apart)];
        MlxModule[] modules = [.. deltas.Select(MlxModule.Of).OfType<MlxModule>()];
        if (modules.Length == 0) return adapter;
        // B cannot make up for a scale of 0.
        double scale = modules.Select(module => module.Scale).Where(scale => scale != 0).GroupBy(scale => scale).MaxBy(group => group.Count())?.Key ?? 0;
        long rank = modules.Max(module => module.Rank);
        return adapter.WithDeltas([.. deltas.Select(delta => MlxModule.Of(delta)?.At(scale, rank) ?? delta)]);
    }
}
