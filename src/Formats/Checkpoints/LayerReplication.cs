using System.Globalization;
using LoraKit.Formats.Files;

namespace LoraKit.Formats.Checkpoints;

/// <summary>Layers of a model, some of them several times: PEFT's <c>layer_replication</c>. New layers are numbered in their order.</summary>
internal sealed class LayerReplication
{
    /// <summary>More layers than any model has.</summary>
    public const int MostLayers = 4096;

    // The lists that PEFT replicates: Llama's, BERT's, Falcon's.
    private static readonly string[][] Lists = [["layers"], ["encoder", "layer"], ["h"]];

    private readonly string _prefix;
    private readonly IReadOnlyList<long> _sources;

    private LayerReplication(string prefix, int layers, IReadOnlyList<long> sources) => (_prefix, Layers, _sources) = (prefix, layers, sources);

    /// <summary>How many layers the model has on disk.</summary>
    public int Layers { get; }

    /// <summary>Which of them each new layer is.</summary>
    public IReadOnlyList<long> Sources => _sources;

    /// <param name="names">The model's tensors.</param>
    /// <param name="ranges">Layers [start, end) each, in the order of the new ones.</param>
    /// <param name="path">The model, for messages.</param>
    /// <exception cref="UnsupportedException">It has no list of layers that PEFT replicates, or more than one.</exception>
    /// <exception cref="InvalidAdapterException">A range has layers that the model has not.</exception>
    public static LayerReplication Of(IEnumerable<string> names, IReadOnlyList<(long Start, long End)> ranges, string path)
    {
        Dictionary<string, HashSet<long>> lists = new(StringComparer.Ordinal);
        foreach (string name in names)
        {
            if (Find(name) is not var (prefix, layer, _)) continue;
            if (!lists.TryGetValue(prefix, out HashSet<long>? layers)) lists.Add(prefix, layers = []);
            layers.Add(layer);
        }

        if (lists.Count != 1)
        {
            string found = lists.Count == 0 ? "none" : string.Join(", ", lists.Keys.Order(StringComparer.Ordinal).Take(4).Select(Printable.Text));
            throw new UnsupportedException($"{Printable.Text(path)}: 'layer_replication' needs one list of layers (layers, encoder.layer or h) to replicate; found {found}", path);
        }

        (string list, HashSet<long> numbers) = lists.Single();
        List<long> sources = [];
        foreach ((long start, long end) in ranges)
        {
            bool valid = start >= 0 && start < end && end <= numbers.Count && sources.Count + (end - start) <= MostLayers;
            if (!valid || numbers.Max() != numbers.Count - 1)
            {
                throw new InvalidAdapterException(
                    $"{Printable.Text(path)}: 'layer_replication' has the layers [{start}, {end}), but '{Printable.Text(list)}' has {numbers.Count}; expected ranges of them, of at most {MostLayers} in all", path);
            }

            for (long layer = start; layer < end; layer++)
            {
                sources.Add(layer);
            }
        }

        return new(list, numbers.Count, sources);
    }

    /// <summary>What a tensor of the model is called afterwards: a layer's once for each copy of it, any other as before.</summary>
    public IReadOnlyList<string> NamesOf(string name)
    {
        if (Find(name) is not var (prefix, layer, rest) || prefix != _prefix) return [name];
        return [.. _sources.Index().Where(copy => copy.Item == layer).Select(copy => $"{prefix}{copy.Index.ToString(CultureInfo.InvariantCulture)}{rest}")];
    }

    /// <summary>A name in its first list of layers: what is before the number, with a dot, and what is after it.</summary>
    private static (string Prefix, long Layer, string After)? Find(string name)
    {
        string[] parts = name.Split('.');
        for (int at = 1; at < parts.Length - 1; at++)
        {
            if (!long.TryParse(parts[at], NumberStyles.None, CultureInfo.InvariantCulture, out long layer)) continue;
            if (!Lists.Any(list => parts.AsSpan(0, at).EndsWith(list))) return null;
            return (string.Join('.', parts[..at]) + ".", layer, "." + string.Join('.', parts[(at + 1)..]));
        }

        return null;
    }
}
