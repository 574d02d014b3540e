namespace LoraKit.Formats.Pickle;

/// <summary>A Python dictionary: in the order of insertion, a key that comes again gets a new value in its old place.</summary>
internal sealed class PickleDict
{
    // Made with the first item: a pickle makes an empty dictionary of one byte.
    private List<KeyValuePair<object?, object?>>? _items;
    private Dictionary<object, int>? _places;

    public IReadOnlyList<KeyValuePair<object?, object?>> Items => _items ?? [];

    /// <summary>Numbers and texts are equal by value; what else may be a key (a tuple, None) is never looked up.</summary>
    public void Set(object? key, object? value)
    {
        _items ??= [];
        if (key is string or long or bool or double && !(_places ??= []).TryAdd(key, _items.Count)) _items[_places[key]] = new(key, value);
        else _items.Add(new(key, value));
    }

    /// <summary>The value of a text key; null where there is none.</summary>
    public object? this[string key] => _places is not null && _places.TryGetValue(key, out int place) ? _items![place].Value : null;
}
