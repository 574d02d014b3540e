namespace LoraKit.Formats.Containers;

/// <summary>
/// Bytes that had to be made (inflated, reordered), kept while they are likely to be asked for again: tensors are read in pieces, and
/// each piece would otherwise make the whole anew. The oldest go first once the budget is spent.
/// </summary>
internal sealed class RecentBytes(long budget = RecentBytes.DefaultBudget)
{
    private const long DefaultBudget = 64L << 20;

    private readonly Lock _lock = new();
    private readonly Dictionary<object, Lazy<byte[]>> _held = [];
    private readonly Queue<(object Key, long Length)> _oldestFirst = [];
    private long _bytes;

    /// <summary>The bytes of a key; made at most once at a time, outside the lock that others wait for.</summary>
    public byte[] Get(object key, long length, Func<byte[]> make)
    {
        Lazy<byte[]>? bytes;
        lock (_lock)
        {
            if (!_held.TryGetValue(key, out bytes))
            {
                _held.Add(key, bytes = new(make));
                _oldestFirst.Enqueue((key, length));
                _bytes += length;
                while (_bytes > budget && _oldestFirst.Count > 1)
                {
                    (object oldest, long its) = _oldestFirst.Dequeue();
                    _held.Remove(oldest);
                    _bytes -= its;
                }
            }
        }

        return bytes.Value;
    }
}
