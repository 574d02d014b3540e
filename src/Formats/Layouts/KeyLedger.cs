using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts;

/// <summary>The account of a file's tensors: each is claimed by something, or reading fails with all that are left.</summary>
internal sealed class KeyLedger(ITensorSource source)
{
    private const int MostListed = 100;

    private readonly HashSet<string> _claimed = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _notes = new(StringComparer.Ordinal);

    /// <summary>Takes a tensor as understood.</summary>
    public StoredTensor Claim(TensorInfo tensor)
    {
        _claimed.Add(tensor.Name);
        return new StoredTensor(source, tensor);
    }

    /// <summary>Says why a tensor will be left.</summary>
    public void Leave(TensorInfo tensor, string why) => _notes[tensor.Name] = why;

    /// <exception cref="InvalidAdapterException">A tensor is not claimed.</exception>
    public void Close()
    {
        List<TensorInfo> left = [.. source.Tensors.Where(tensor => !_claimed.Contains(tensor.Name))];
        if (left.Count == 0) return;
        IEnumerable<string> lines = left.Take(MostListed).Select(tensor =>
            $"'{Printable.Text(tensor.Name)}' {tensor.Shape}" + (_notes.TryGetValue(tensor.Name, out string? why) ? $" ({why})" : ""));
        string more = left.Count > MostListed ? $" and {left.Count - MostListed} more" : "";
        throw new InvalidAdapterException(
            $"{Printable.Text(source.Path)}: {left.Count} of {source.Tensors.Count} tensors have no place in the adapter: "
            + $"{string.Join(", ", lines)}{more}",
            source.Path, left[0].Name);
    }
}
