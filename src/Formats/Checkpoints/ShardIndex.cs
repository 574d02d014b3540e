using System.Text;
using System.Text.Json;
using LoraKit.Formats.Files;

namespace LoraKit.Formats.Checkpoints;

/// <summary>
/// A <c>*.safetensors.index.json</c>: which tensor lies in which shard. Every shard's name has passed <see cref="PathGuard"/>. See
/// spec/containers/checkpoints.md.
/// </summary>
internal sealed record ShardIndex
{
    /// <summary>What an index's name ends in.</summary>
    public const string Suffix = ".safetensors.index.json";

    /// <summary>The largest index, in bytes.</summary>
    public const int MaxBytes = 256 << 20;

    /// <summary>Tensor name → shard's relative path with <c>/</c>.</summary>
    public required IReadOnlyDictionary<string, string> WeightMap { get; init; }

    /// <summary>The <c>metadata</c> object as JSON text; null where there is none.</summary>
    public string? Metadata { get; init; }

    /// <summary><c>metadata.total_size</c>: bytes of all tensors; null where it is not said.</summary>
    public long? TotalSize { get; init; }

    /// <summary>The shards' relative paths, each once, in ordinal order.</summary>
    public IReadOnlyList<string> Shards => [.. WeightMap.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];

    /// <summary>Reads an index file.</summary>
    /// <exception cref="InputNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidFileException">It is too large, no valid index, or names a shard outside its folder.</exception>
    public static ShardIndex Read(string path) => Parse(BoundedFile.ReadAll(path, MaxBytes), path);

    /// <summary>Reads the bytes of an index.</summary>
    /// <exception cref="InvalidFileException">They are no valid index, or name a shard outside their folder.</exception>
    public static ShardIndex Parse(ReadOnlySpan<byte> json, string path)
    {
        try
        {
            return new Reader(json, path).Read();
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException) // The latter: a string that is no valid text.
        {
            throw Invalid(path, NotJson.Reason(json, e), cause: e);
        }
    }

    private static InvalidFileException Invalid(string path, string what, string? tensor = null, Exception? cause = null) =>
        new($"{Printable.Text(path)}: {what}", path, tensor, cause);

    private ref struct Reader(ReadOnlySpan<byte> json, string path)
    {
        private readonly ReadOnlySpan<byte> _json = json;
        private readonly string _path = path;
        private readonly Dictionary<string, string> _map = new(StringComparer.Ordinal);
        private Utf8JsonReader _reader = new(json);
        private string? _metadata;
        private long? _totalSize;

        public ShardIndex Read()
        {
            _reader.Read();
            if (_reader.TokenType != JsonTokenType.StartObject) throw Invalid(_path, "no JSON object, as an index is");
            HashSet<string> keys = new(StringComparer.Ordinal);
            while (NextKey() is { } key)
            {
                if (!keys.Add(key)) throw Invalid(_path, $"the key '{Printable.Text(key)}' is there twice");
                _reader.Read();
                if (key == "weight_map") ReadMap();
                else if (key == "metadata") ReadMetadata();
                else _reader.Skip();
            }

            _reader.Read(); // Anything after the end is refused by the reader.
            if (!keys.Contains("weight_map")) throw Invalid(_path, "has no 'weight_map', which an index must have");
            if (_map.Count == 0) throw Invalid(_path, "the 'weight_map' names no tensor");
            return new() { WeightMap = _map, Metadata = _metadata, TotalSize = _totalSize };
        }

        private void ReadMap()
        {
            if (_reader.TokenType != JsonTokenType.StartObject) throw Invalid(_path, "'weight_map' is no JSON object");
            Dictionary<string, string> shards = new(StringComparer.Ordinal); // Each name is checked and kept once.
            while (NextKey() is { } tensor)
            {
                _reader.Read();
                if (_reader.TokenType != JsonTokenType.String) throw Invalid(_path, $"the shard of tensor '{Printable.Text(tensor)}' is no string", tensor);
                string named = _reader.GetString()!;
                if (!shards.TryGetValue(named, out string? shard)) shards.Add(named, shard = Checked(named, tensor));
                if (!_map.TryAdd(tensor, shard)) throw Invalid(_path, $"names tensor '{Printable.Text(tensor)}' twice", tensor);
            }
        }

        private readonly string Checked(string named, string tensor)
        {
            string? refusal = PathGuard.Refusal(named, out string shard);
            if (refusal is null && !shard.EndsWith(".safetensors", StringComparison.Ordinal)) refusal = "does not end in .safetensors";
            return refusal is null
                ? shard
                : throw Invalid(_path, $"the shard name '{Printable.Text(named)}' of tensor '{Printable.Text(tensor)}' {refusal}", tensor);
        }

        private void ReadMetadata()
        {
            if (_reader.TokenType == JsonTokenType.Null) return;
            if (_reader.TokenType != JsonTokenType.StartObject) throw Invalid(_path, "'metadata' is no JSON object");
            int start = (int)_reader.TokenStartIndex;
            while (NextKey() is { } key)
            {
                _reader.Read();
                if (key == "total_size" && _reader.TokenType == JsonTokenType.Number) _totalSize = WholeNumber();
                _reader.Skip();
            }

            _metadata = Encoding.UTF8.GetString(_json[start..(int)_reader.BytesConsumed]);
        }

        private readonly long? WholeNumber()
        {
            if (_reader.TryGetInt64(out long whole)) return whole;
            return _reader.TryGetDouble(out double real) && real is >= 0 and < 1e18 && real == Math.Floor(real) ? (long)real : null;
        }

        private string? NextKey()
        {
            _reader.Read();
            return _reader.TokenType == JsonTokenType.PropertyName ? _reader.GetString() : null;
        }
    }
}
