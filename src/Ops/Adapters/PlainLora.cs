using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;

namespace LoraKit.Ops.Adapters;

/// <summary>The algebra on factors knows low-rank and dense updates; every other kind has to be made plain LoRA first.</summary>
internal static class PlainLora
{
    /// <summary>The low-rank updates of an adapter, in the file's order; at least one.</summary>
    /// <exception cref="UnsupportedException">As <see cref="Of"/>.</exception>
    /// <exception cref="InvalidAdapterException">There is no low-rank update.</exception>
    public static LowRankDelta[] Require(Adapter adapter) => Of(adapter) is { Length: > 0 } modules
        ? modules
        : throw new InvalidAdapterException($"{Printable.Text(adapter.Path)}: holds no low-rank update; expected at least one", adapter.Path);

    /// <summary>The low-rank updates of an adapter, in the file's order.</summary>
    /// <exception cref="UnsupportedException">Another kind of update; the message says what to run first. Or one larger than arrays are.</exception>
    public static LowRankDelta[] Of(Adapter adapter)
    {
        if (adapter.Deltas.FirstOrDefault(d => d is not (LowRankDelta or DenseDelta)) is { } other)
        {
            // Neither convert nor extract writes what updates a stack of experts.
            string instead = other is ExpertsDelta
                ? "a stack of expert weights has no other form; merge it into its base"
                : $"run 'convert --to peft --max-error 0{(other.NeedsBase ? " --base" : "")}' first, or merge it into its base and extract";
            throw new UnsupportedException(
                $"{Printable.Text(adapter.Path)}: module '{Printable.Text(other.Target.Label)}' is {(other.Facts.Dora ? "DoRA over " : "")}{other.Kind}, not plain LoRA; {instead}",
                adapter.Path, other.Target.Label);
        }

        LowRankDelta[] modules = [.. adapter.Deltas.OfType<LowRankDelta>()];
        Array.ForEach(modules, DeltaProduct.RequireSize);
        return modules;
    }
}
