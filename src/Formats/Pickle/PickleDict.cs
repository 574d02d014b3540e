namespace LoraKit.Formats.Pickle;

/// <summary>A Python dictionary: in the order of insertion, a key that comes again gets a new value in its old place.</summary>
internal sealed class PickleDict
{
    private readonly List<KeyValuePair<object?, object?>> _items = [];
    private readonly Dictionary<object, int> _places = [];

    public IReadOnlyList<KeyValuePair<object?, object?>> Items => _items;

    /// <summary>Numbers and texts are equal by value; what else may be a key (a tuple, None) is never looked up.</summary>
    public void Set(object? key, object? value)
    {
        if (key is string or long or bool or double)
        {
            if (!_places.TryAdd(key, _items.Count))
            {
                _items[_places[key]] = new(key, value);
                return;
            }
        }

        _items.Add(new(key, value));
    }

    /// <summary>The value of a text key; null where there is none.</summary>
    public object? this[string key] => _places.TryGetValue(key, out int place) ? _items[place].Value : null;
}
