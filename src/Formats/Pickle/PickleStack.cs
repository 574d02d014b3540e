namespace LoraKit.Formats.Pickle;

/// <summary>The values a pickle works on, with its marks and its memo; all bounded.</summary>
internal sealed class PickleStack(PickleInput input)
{
    private const int MostValues = 2_000_000;

    private readonly List<object?> _values = [];
    private readonly List<int> _marks = [];
    private readonly Dictionary<uint, object?> _memo = [];
    private long _made;

    private int Floor => _marks.Count == 0 ? 0 : _marks[^1];

    public void Push(object? value)
    {
        Count(1);
        _values.Add(value);
    }

    /// <summary>One byte of pickle makes an object of many: what is made is bounded, not only the bytes.</summary>
    /// <param name="made">How many values.</param>
    public void Count(long made)
    {
        _made += made;
        if (_made > MostValues) throw input.Invalid($"holds more than {MostValues} values; save the tensors alone, as safetensors");
    }

    public object? Top() => _values.Count > Floor ? _values[^1] : throw Empty();

    public object? Pop()
    {
        object? value = Top();
        _values.RemoveAt(_values.Count - 1);
        return value;
    }

    public T Pop<T>(string what) => Pop() is T value ? value : throw input.Invalid($"has something else where {what} was expected");

    public T Top<T>(string what) => Top() is T value ? value : throw input.Invalid($"has something else where {what} was expected");

    public void Mark()
    {
        Count(1);
        _marks.Add(_values.Count);
    }

    /// <summary>Everything above the last mark, which goes too.</summary>
    public object?[] PopToMark()
    {
        if (_marks.Count == 0) throw Empty();
        object?[] values = [.. _values[Floor..]];
        _values.RemoveRange(Floor, values.Length);
        _marks.RemoveAt(_marks.Count - 1);
        return values;
    }

    /// <summary>Drops the top value, or the mark where nothing is above it.</summary>
    public void Drop()
    {
        if (_values.Count > Floor) _values.RemoveAt(_values.Count - 1);
        else PopToMark();
    }

    public object?[] PopTuple(int count)
    {
        object?[] values = new object?[count];
        for (int i = count - 1; i >= 0; i--)
        {
            values[i] = Pop();
        }

        return values;
    }

    public void Remember(uint place)
    {
        _memo[place] = Top();
        if (_memo.Count > MostValues) throw input.Invalid($"remembers more than {MostValues} values; save the tensors alone, as safetensors");
    }

    public void RememberNext() => Remember((uint)_memo.Count);

    public void Recall(uint place) =>
        Push(_memo.TryGetValue(place, out object? value) ? value : throw input.Invalid($"recalls value {place}, which it did not remember"));

    private InvalidFileException Empty() => input.Invalid("has a pickle that takes a value where there is none: it is damaged");
}
