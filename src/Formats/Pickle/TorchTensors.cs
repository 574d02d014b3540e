using System.Globalization;
using LoraKit.Formats.Containers;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Pickle;

/// <summary>
/// The tensors of what torch.save saved: those of the outermost dictionary that has any. Of several at the same depth, the one called
/// state_dict or else model counts. See spec/containers/pickle.md.
/// </summary>
internal static class TorchTensors
{
    private const int MostDepth = 16;

    // A dictionary may stand in many others: a small pickle can name one tensor without end.
    private const int MostVisited = 1_000_000;
    private const int MostNameCharacters = 64 << 20;

    private static readonly string[] Preferred = ["state_dict", "model"];

    /// <param name="file">The open file.</param>
    /// <param name="root">What its pickle holds.</param>
    /// <param name="storage">The bytes of a storage; null where the file has none of that key.</param>
    /// <param name="recent">Where tensors that are put in order are kept for a while.</param>
    /// <exception cref="InvalidFileException">A tensor does not fit its storage.</exception>
    /// <exception cref="UnsupportedException">It holds no tensors, or not in a dictionary.</exception>
    public static TensorContainer Read(OpenFile file, object? root, Func<TorchStorage, IByteRange?> storage, RecentBytes recent)
    {
        TensorPlacement placement = new(file, recent);
        (IEnumerable<KeyValuePair<object?, object?>> items, bool isRoot) = Outermost(file, root);
        List<PlacedTensor> tensors = [];
        Dictionary<string, string> metadata = new(StringComparer.Ordinal);
        if (!isRoot && root is PickleDict top) AddScalars(metadata, top.Items);
        AddScalars(metadata, items);
        foreach ((string name, TorchTensor tensor) in Flat(file, items))
        {
            tensors.Add(Place(file, name, tensor, storage, placement));
        }

        return new(file, "pickle", tensors, metadata);
    }

    private static PlacedTensor Place(
        OpenFile file, string name, TorchTensor tensor, Func<TorchStorage, IByteRange?> storage, TensorPlacement placement)
    {
        TorchStorage its = tensor.Storage;
        IByteRange bytes = storage(its) ?? throw file.Invalid($"lies in the storage '{Printable.Text(its.Key)}', which the file does not hold", name);
        long all = bytes.Length / its.DType.Bytes();
        if (its.First > all || its.Elements > all - its.First)
            throw file.Invalid($"lies in the storage '{Printable.Text(its.Key)}' of {its.Elements} elements; the file holds {all} of them: it is cut short or damaged", name);
        return placement.Place(name, tensor.DType, tensor.Sizes, tensor.Strides, tensor.First, bytes, its.First * its.DType.Bytes());
    }

    private static (IEnumerable<KeyValuePair<object?, object?>> Items, bool IsRoot) Outermost(OpenFile file, object? root)
    {
        if (Listed(root) is { } list && list.Any(item => item is TorchTensor))
            return (list.Select((item, i) => new KeyValuePair<object?, object?>((long)i, item)), true);
        List<(string Name, PickleDict Dict)> level = root is PickleDict top ? [("", top)] : [];
        HashSet<PickleDict> seen = [];
        for (int depth = 0; level.Count > 0 && depth < MostDepth; depth++)
        {
            List<(string Name, PickleDict Dict)> found = [.. level.Where(entry => entry.Dict.Items.Any(item => item.Value is TorchTensor))];
            if (found.Count > 0) return (One(file, found).Items, depth == 0);
            level = [.. level.SelectMany(entry => entry.Dict.Items).Where(item => item.Value is PickleDict inner && seen.Add(inner))
                .Select(item => (Text(item.Key) ?? "", (PickleDict)item.Value!))];
        }

        throw file.Unsupported(root is TorchTensor
            ? "holds one bare tensor without a name; expected a dictionary of tensors by name"
            : "holds no tensors in a dictionary or a list; expected the state dictionary of an adapter");
    }

    private static PickleDict One(OpenFile file, List<(string Name, PickleDict Dict)> found)
    {
        if (found.Count == 1) return found[0].Dict;
        foreach (string name in Preferred)
        {
            if (found.Where(entry => entry.Name == name).ToArray() is [var only]) return only.Dict;
        }

        throw file.Unsupported($"holds tensors in several dictionaries: {string.Join(", ", found.Take(5).Select(entry => $"'{Printable.Text(entry.Name)}'"))}"
            + (found.Count > 5 ? ", …" : "") + "; expected one, or one called state_dict; save the one that is meant by itself");
    }

    // Dictionaries within the chosen one give their tensors under their own name and a dot.
    private static IEnumerable<(string Name, TorchTensor Tensor)> Flat(OpenFile file, IEnumerable<KeyValuePair<object?, object?>> items)
    {
        Stack<(string Prefix, IEnumerator<KeyValuePair<object?, object?>> Items)> open = [];
        open.Push(("", items.GetEnumerator()));
        int visited = 0;
        long characters = 0;
        while (open.TryPeek(out (string Prefix, IEnumerator<KeyValuePair<object?, object?>> Items) at))
        {
            if (!at.Items.MoveNext())
            {
                open.Pop();
                continue;
            }

            if (++visited > MostVisited) throw file.Invalid($"holds more than {MostVisited} entries in dictionaries within each other");
            (object? key, object? value) = at.Items.Current;
            if (value is not (TorchTensor or PickleDict)) continue;
            string name = at.Prefix + (Text(key) ?? throw file.Unsupported("holds a tensor whose key is neither a text nor a number"));
            characters += name.Length;
            if (characters > MostNameCharacters) throw file.Invalid($"has tensor names of more than {MostNameCharacters} characters together");
            if (value is TorchTensor tensor) yield return (name, tensor);
            else if (open.Count > MostDepth) throw file.Invalid($"has dictionaries more than {MostDepth} deep in each other");
            else open.Push((name + ".", ((PickleDict)value).Items.GetEnumerator()));
        }
    }

    private static void AddScalars(Dictionary<string, string> metadata, IEnumerable<KeyValuePair<object?, object?>> items)
    {
        foreach ((object? key, object? value) in items)
        {
            if (key is string name && Text(value) is { } text) metadata[name] = text;
        }
    }

    private static IReadOnlyList<object?>? Listed(object? value) => value switch
    {
        List<object?> list => list,
        object?[] tuple => tuple,
        _ => null,
    };

    private static string? Text(object? value) => value switch
    {
        string text => text,
        long or double or System.Numerics.BigInteger => ((IFormattable)value).ToString(null, CultureInfo.InvariantCulture),
        true => "True",
        false => "False",
        _ => null,
    };
}
