using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Peft.Methods;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>All names of a file, taken apart and consistent: one adapter, of one method.</summary>
internal static class PeftKeys
{
    /// <summary>Names are taken apart at every dot; nothing real comes near this.</summary>
    public const int LongestName = 1000;

    /// <param name="source">The tensors.</param>
    /// <param name="peftType">The configuration's, one that is read.</param>
    /// <exception cref="InvalidAdapterException">A name is absurdly long, or the names carry two adapters' names.</exception>
    /// <exception cref="UnsupportedException">A tensor belongs to another method.</exception>
    public static IReadOnlyList<PeftKey> Parse(ITensorSource source, string peftType = "LORA")
    {
        if (source.Tensors.FirstOrDefault(tensor => tensor.Name.Length > LongestName) is { } endless)
        {
            throw new InvalidAdapterException(
                $"{Printable.Text(source.Path)}: tensor '{Printable.Text(endless.Name)}' has a name of more than {LongestName} characters",
                source.Path, endless.Name);
        }

        IPeftMethod? method = PeftMethodList.Of(peftType);
        List<PeftKey> keys = [.. source.Tensors.Select(tensor => PeftKey.Parse(tensor, method: method))];
        string? adapterName = AdapterName(source, keys);
        if (adapterName is not (null or "default")) keys = [.. source.Tensors.Select(tensor => PeftKey.Parse(tensor, adapterName, method))];

        if (keys.Find(key => key.Role == PeftRole.Refused) is { } refused)
        {
            throw new UnsupportedException(
                $"{Printable.Text(source.Path)}: module '{Printable.Text(refused.Module.Path)}' uses {refused.Note}, but the adapter is one of {peftType}; expected the tensors of one method",
                source.Path, refused.Tensor.Name);
        }

        return keys;
    }

    private static string? AdapterName(ITensorSource source, List<PeftKey> keys)
    {
        HashSet<string> names = new(StringComparer.Ordinal);
        bool some = false;
        bool all = true;
        foreach (PeftKey key in keys.Where(key => key.IsFactor || key.Role == PeftRole.TokenRows))
        {
            if (key.AdapterName is { } name) some = names.Add(name) || some;
            else all = false;
        }

        if (names.Count > 1 || (some && !all && !names.Contains("default")))
        {
            string listed = string.Join(", ", names.Order(StringComparer.Ordinal).Take(10).Select(name => $"'{Printable.Text(name)}'"));
            throw new InvalidAdapterException(
                $"{Printable.Text(source.Path)}: its tensors belong to several adapters "
                + $"({listed}{(all ? "" : ", and one without a name")}); expected one", source.Path);
        }

        return names.FirstOrDefault();
    }
}
