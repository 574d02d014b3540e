using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Ops.Merge;

namespace LoraKit.Ops.Stack;

/// <summary>Values trained in full cannot be combined without the base: they are taken over where there is no choice to make.</summary>
internal static class StackedReplacements
{
    /// <summary>The union of all adapters' replacements; those of several adapters must be the same, byte for byte.</summary>
    /// <exception cref="InvalidAdapterException">Two adapters have different ones of the same parameter.</exception>
    /// <exception cref="InvalidOptionException">An adapter that has any is given a weight.</exception>
    public static IReadOnlyList<Replacement> Of(IReadOnlyList<Adapter> adapters, IReadOnlyList<AdapterInput> inputs)
    {
        Dictionary<ParameterName, (Replacement Values, Adapter Owner)> taken = [];
        List<Replacement> all = [];
        foreach ((Adapter adapter, AdapterInput input) in adapters.Zip(inputs))
        {
            foreach (Replacement replacement in adapter.Replacements)
            {
                string what = $"{Printable.Text(adapter.Path)}: '{Printable.Text(replacement.Target.Path)}' ({Printable.Text(replacement.Reason)}) is trained in full";
                if (input.Weight != 1)
                {
                    throw new InvalidOptionException($"{what}, which cannot be weighted without the base; give the adapter the weight 1");
                }

                if (taken.TryAdd(replacement.Target, (replacement, adapter))) all.Add(replacement);
                else if (!Same(taken[replacement.Target].Values, replacement))
                {
                    throw new InvalidAdapterException(
                        $"{what}, and differently in {Printable.Text(taken[replacement.Target].Owner.Path)}; merge the adapters into the base one after the other, "
                        + "or take it out of one of them", adapter.Path, replacement.Values.Name);
                }
            }
        }

        return all;
    }

    private static bool Same(Replacement one, Replacement two) =>
        (one.Rows is null ? two.Rows is null : two.Rows is not null && one.Rows.SequenceEqual(two.Rows)) && SameValues.Are(one.Values, two.Values);
}
