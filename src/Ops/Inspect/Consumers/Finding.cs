using LoraKit.Formats.Adapters;

namespace LoraKit.Ops.Inspect.Consumers;

/// <summary>What a program does with an adapter that is not what the adapter is: the three ways there are.</summary>
internal static class Finding
{
    /// <summary>It stops with an error.</summary>
    public static AdapterIssue Refused(string message, string? where = null) => new("refused", IssueSeverity.Warning, message, where);

    /// <summary>It loads the rest and leaves this out, with a warning at most.</summary>
    public static AdapterIssue Ignored(string message, string? where = null) => new("ignored", IssueSeverity.Warning, message, where);

    /// <summary>It loads it and computes something else.</summary>
    public static AdapterIssue Different(string message, string? where = null) => new("different", IssueSeverity.Warning, message, where);

    /// <summary>Of updates whose multiplier is not the one that a program takes.</summary>
    /// <param name="adapter">The adapter.</param>
    /// <param name="taken">The program's multiplier for an update.</param>
    /// <param name="why">How it comes by it.</param>
    public static IEnumerable<AdapterIssue> Scales(Adapter adapter, Func<LowRankDelta, double> taken, string why) =>
        adapter.Deltas.OfType<LowRankDelta>().Where(update => Math.Abs(update.Scale - taken(update)) > 1e-6 * Math.Abs(update.Scale))
            .Select(update => Different(why, update.Target.Module.Path));

    /// <summary>Updates that are more than a pair of factors.</summary>
    public static IEnumerable<AdapterIssue> Kinds(Adapter adapter, string program) => adapter.Deltas
        .Where(delta => delta is not LowRankDelta && (delta is not DenseDelta || delta.Target.Parameter != "bias"))
        .Select(delta => Refused(
            delta.Facts.Dora ? $"{program} takes no DoRA; merge it, or convert it to plain LoRA with --base and --rank" : $"{program} takes plain LoRA, and no {delta.Kind}; convert it", delta.Target.Module.Path));

    /// <summary>Values that replace the base's.</summary>
    public static IEnumerable<AdapterIssue> Replacements(Adapter adapter, string program) =>
        adapter.Replacements.Select(replacement => Refused($"{program} takes no weights in full ({replacement.Reason})", replacement.Target.Path));
}
