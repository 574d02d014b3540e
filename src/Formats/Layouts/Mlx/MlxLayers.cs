using System.Globalization;
using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts.Mlx;

/// <summary>
/// Which modules mlx-lm is to put the factors on: by their names within a layer, in the last so many layers; modules outside of them by their whole names. It refuses a file with
/// factors for any other module; a module without factors in the file stays as it is.
/// </summary>
internal static class MlxLayers
{
    /// <summary>All layers.</summary>
    private const long All = -1;

    /// <summary>The modules' names as <c>keys</c> has them, each once.</summary>
    public static IReadOnlyList<string> Keys(IEnumerable<string> modules) => [.. modules.Select(module => Split(module).Within).Distinct().Order(StringComparer.Ordinal)];

    /// <summary>Whether there is a module outside of the layers: mlx-lm does not find it where <c>keys</c> is not there.</summary>
    public static bool AreAllInLayers(IEnumerable<string> modules) => modules.All(module => Split(module).Layer is not null);

    /// <summary>How many layers, counted from the last. Which is the last only the base tells; without it what training said, where it may be, else all.</summary>
    /// <param name="modules">The adapter's modules.</param>
    /// <param name="base">The base's; null where it is not at hand.</param>
    /// <param name="stated">What training said.</param>
    public static long Count(IEnumerable<string> modules, IReadOnlyCollection<ModuleName>? @base, long? stated)
    {
        var layers = modules.Select(Split).Where(module => module.Layer is not null).ToArray();
        if (layers.Select(module => module.Before).Distinct().Count() != 1) return stated is null || layers.Length > 0 ? All : stated.Value;
        (long first, long end) = (layers.Min(module => module.Layer!.Value), layers.Max(module => module.Layer!.Value) + 1);
        if (@base is null) return stated >= end - first ? stated.Value : All;
        string before = layers[0].Before;
        return @base.Select(module => Split(module.Path)).Where(module => module.Before == before && module.Layer is not null).Select(module => module.Layer!.Value + 1).Append(end).Max() - first;
    }

    /// <summary>A name at its first number: <c>model.layers.</c>, 3 and <c>self_attn.q_proj</c>.</summary>
    private static (string Before, long? Layer, string Within) Split(string module)
    {
        for (int start = 0, end; start < module.Length; start = end + 1)
        {
            end = module.IndexOf('.', start);
            if (end < 0) break;
            if (long.TryParse(module.AsSpan(start, end - start), NumberStyles.None, CultureInfo.InvariantCulture, out long layer) && layer < long.MaxValue) return (module[..start], layer, module[(end + 1)..]);
        }

        return ("", null, module);
    }
}
