using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>Which of PEFT's methods an update is one of, among those that are written. A configuration has one for all modules.</summary>
internal static class PeftKinds
{
    public const string Lora = "LORA";
    public const string Loha = "LOHA";
    public const string Lokr = "LOKR";

    /// <summary>The <c>peft_type</c>, by the kind alone; null where none has such updates. What is folded for a convolution (LyCORIS' lora_mid) LoRA does not have.</summary>
    public static string? TypeOf(AdapterDelta update) => update switch
    {
        LohaDelta => Loha,
        LokrDelta => Lokr,
        _ => Factors(update) is { Down: not TuckerDown } ? Lora : null,
    };

    /// <summary>The method of an adapter that has one, else LoRA.</summary>
    public static string TypeOf(Adapter adapter) => adapter.Deltas.Select(TypeOf).OfType<string>().FirstOrDefault() ?? Lora;

    /// <summary>The factors of LoRA, with magnitudes around them or without; null for another kind.</summary>
    public static LowRankDelta? Factors(AdapterDelta update) => (update as MagnitudeDelta)?.Inner as LowRankDelta ?? update as LowRankDelta;

    /// <summary>Why the updates of weights cannot be in one adapter, whatever their names.</summary>
    public static IEnumerable<string> Limits(Adapter adapter)
    {
        AdapterDelta[] updates = [.. adapter.Deltas.Where(update => TypeOf(update) is not null)];
        string[] types = [.. updates.Select(update => TypeOf(update)!).Distinct().Order(StringComparer.Ordinal)];
        if (types.Length > 1) yield return $"its updates are of {string.Join(" and ", types)}, and peft_type is one for all";
        if (updates.Select(update => update.Facts.Dora).Distinct().Count() > 1) yield return "some of its modules have the magnitudes of DoRA and others not, and use_dora is one flag for all";
        LokrDelta[] kronecker = [.. updates.OfType<LokrDelta>()];
        if (kronecker.Length > 0 && PeftKronecker.Of(kronecker, adapter.Config) is null)
        {
            yield return "its factors of LoKr have sizes that PEFT would not give them, for no decompose_factor and no rank";
        }
    }
}
