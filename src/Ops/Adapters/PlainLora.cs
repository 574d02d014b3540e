using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;

namespace LoraKit.Ops.Adapters;

/// <summary>The algebra on factors knows low-rank and dense updates; every other kind has to be made plain LoRA first.</summary>
internal static class PlainLora
{
    /// <summary>The low-rank updates of an adapter, in the file's order; at least one.</summary>
    /// <exception cref="UnsupportedException">Another kind of update; the message says what to run first.</exception>
    /// <exception cref="InvalidAdapterException">There is no low-rank update.</exception>
    public static LowRankDelta[] Require(Adapter adapter)
    {
        if (adapter.Deltas.FirstOrDefault(d => d is not (LowRankDelta or DenseDelta)) is { } other)
        {
            throw new UnsupportedException(
                $"{Printable.Text(adapter.Path)}: module '{Printable.Text(other.Target.Label)}' is {other.Kind}, not plain LoRA; "
                + "run 'convert --to peft' first, or merge it into its base and extract", adapter.Path, other.Target.Label);
        }

        LowRankDelta[] modules = [.. adapter.Deltas.OfType<LowRankDelta>()];
        return modules.Length > 0
            ? modules
            : throw new InvalidAdapterException($"{Printable.Text(adapter.Path)}: holds no low-rank update; expected at least one", adapter.Path);
    }
}
