using System.Runtime.InteropServices;
using System.Text.Json;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Safetensors;

/// <summary>What a header's text says: the grammar is checked, the layout is not.</summary>
/// <param name="Entries">The tensors in the order of the text; in reference mode names may repeat.</param>
/// <param name="Metadata">The metadata; null where there is none.</param>
internal sealed record ParsedHeader(List<HeaderEntry> Entries, Dictionary<string, string>? Metadata);

/// <summary>
/// Reads the header's grammar from its tokens: an object of tensors and, once at most, <c>__metadata__</c>.
/// </summary>
internal ref struct HeaderParser(HeaderBytes bytes, SafetensorsMode mode)
{
    // The longest name of an element type with every character escaped takes 66 bytes.
    private const int MaxDTypeText = 128;

    private readonly ShapePool _shapes = new();
    private readonly List<HeaderEntry> _entries = [];
    private HeaderTokens _tokens = new(bytes);
    private Dictionary<string, string>? _metadata;
    private TensorFields _tensor;

    public ParsedHeader Parse()
    {
        if (!_tokens.Next() || _tokens.Type != JsonTokenType.StartObject)
            throw new InvalidFileException($"the header's JSON must be an object, found {Found()}");
        bool hasMetadata = false;
        while (NextProperty())
        {
            if (_tokens.Is("__metadata__"u8))
            {
                if (hasMetadata) throw new InvalidFileException("the header has '__metadata__' twice");
                hasMetadata = true;
                _tokens.Require();
                _metadata = ReadMetadata();
            }
            else
            {
                string name = _tokens.Text();
                _tokens.Require();
                _entries.Add(ReadTensor(name));
            }
        }

        // The end of the text: anything but white space after the object is refused here.
        while (_tokens.Next())
        {
        }

        return new(_entries, _metadata);
    }

    private bool NextProperty()
    {
        _tokens.Require();
        return _tokens.Type == JsonTokenType.PropertyName;
    }

    private Dictionary<string, string>? ReadMetadata()
    {
        if (_tokens.Type == JsonTokenType.Null) return null;
        if (_tokens.Type != JsonTokenType.StartObject)
            throw new InvalidFileException($"the header's '__metadata__' must be an object of strings, found {Found()}");
        Dictionary<string, string> metadata = new(StringComparer.Ordinal);
        while (NextProperty())
        {
            string key = _tokens.Text();
            _tokens.Require();
            if (_tokens.Type != JsonTokenType.String)
                throw new InvalidFileException($"the header's '__metadata__' value '{Printable.Text(key)}' must be a string, found {Found()}");
            metadata[key] = _tokens.Text();
        }

        return metadata;
    }

    private HeaderEntry ReadTensor(string name)
    {
        if (mode == SafetensorsMode.Strict && name.Contains('\0')) throw Fault(name, "its name holds a NUL character");
        _tensor.Clear();
        switch (_tokens.Type)
        {
            case JsonTokenType.StartObject:
                ReadFields(name);
                break;
            case JsonTokenType.StartArray when mode == SafetensorsMode.Reference:
                ReadElements(name);
                break;
            default:
                throw Fault(name, $"an object with dtype, shape and data_offsets was expected, found {Found()}");
        }

        TensorSize size = TensorSize.Of(_tensor.DType, _tensor.Sizes);
        return new(name, Shape(name), _tensor.Begin, _tensor.End, size, _entries.Count, _tensor.DType);
    }

    private void ReadFields(string name)
    {
        while (NextProperty())
        {
            Field field = _tokens.Is("dtype"u8) ? Field.DType
                : _tokens.Is("shape"u8) ? Field.Shape
                : _tokens.Is("data_offsets"u8) ? Field.DataOffsets : Field.Other;
            _tokens.Require();
            if (field == Field.Other)
            {
                _tokens.Skip();
                continue;
            }

            if (!_tensor.Claim(field)) throw Fault(name, $"'{field.InFile()}' stands twice");
            ReadField(name, field);
        }

        if (_tensor.Missing is { } missing) throw Fault(name, $"'{missing.InFile()}' is missing");
    }

    private void ReadElements(string name)
    {
        foreach (Field field in (ReadOnlySpan<Field>)[Field.DType, Field.Shape, Field.DataOffsets])
        {
            _tokens.Require();
            ReadField(name, field);
        }

        _tokens.Require();
        if (_tokens.Type != JsonTokenType.EndArray) throw Fault(name, "its array must have exactly 3 elements");
    }

    private void ReadField(string name, Field field)
    {
        switch (field)
        {
            case Field.DType:
                ReadDType(name);
                break;
            case Field.Shape:
                ReadShape(name);
                break;
            default:
                ReadOffsets(name);
                break;
        }
    }

    private void ReadDType(string name)
    {
        // The reference's reader also takes the long form of an enum value: {"F32":null}.
        bool isLongForm = mode == SafetensorsMode.Reference && _tokens.Type == JsonTokenType.StartObject;
        if (isLongForm) _tokens.Require();
        if (_tokens.Type != (isLongForm ? JsonTokenType.PropertyName : JsonTokenType.String))
            throw Fault(name, $"'dtype' must be a string, found {Found()}");

        Span<byte> text = stackalloc byte[MaxDTypeText];
        if (!_tokens.TryCopyText(text, out int length) || !DTypes.TryParse(text[..length], out DType dtype))
            throw Fault(name, $"'dtype' is '{Printable.Text(_tokens.Text())}', which is none of the {DTypes.All.Count} known element types");
        _tensor.DType = dtype;
        if (!isLongForm) return;
        _tokens.Require();
        bool isNull = _tokens.Type == JsonTokenType.Null;
        _tokens.Require();
        if (!isNull || _tokens.Type != JsonTokenType.EndObject) throw Fault(name, "'dtype' as an object must have one key whose value is null");
    }

    private void ReadShape(string name)
    {
        if (_tokens.Type != JsonTokenType.StartArray) throw Fault(name, $"'shape' must be an array, found {Found()}");
        while (true)
        {
            _tokens.Require();
            if (_tokens.Type == JsonTokenType.EndArray) return;
            _tensor.AddSize(Whole(name, "shape"));
        }
    }

    private void ReadOffsets(string name)
    {
        if (_tokens.Type != JsonTokenType.StartArray) throw Fault(name, $"'data_offsets' must be an array, found {Found()}");
        _tokens.Require();
        _tensor.Begin = Whole(name, "data_offsets");
        _tokens.Require();
        _tensor.End = Whole(name, "data_offsets");
        _tokens.Require();
        if (_tokens.Type != JsonTokenType.EndArray) throw Fault(name, "'data_offsets' must have exactly 2 numbers, found more");
    }

    private readonly ulong Whole(string name, string field) => _tokens.TryGetWhole(out ulong value)
        ? value
        : throw Fault(name, $"'{field}' must hold whole numbers from 0 to {ulong.MaxValue}, found {Found()} at byte {_tokens.Position} of the header");

    private readonly TensorShape Shape(string name)
    {
        Span<ulong> sizes = _tensor.Sizes;
        if (sizes.ContainsAnyInRange((ulong)long.MaxValue + 1, ulong.MaxValue))
        {
            if (mode == SafetensorsMode.Strict) throw Fault(name, $"a size in 'shape' is above {long.MaxValue}");
            foreach (ref ulong size in sizes) size = Math.Min(size, long.MaxValue);
        }

        return _shapes.Get(MemoryMarshal.Cast<ulong, long>(sizes));
    }

    private readonly string Found() => _tokens.Type switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.EndObject => "the object's end",
        JsonTokenType.StartArray => "an array",
        JsonTokenType.EndArray => "the array's end",
        JsonTokenType.String => "a string",
        JsonTokenType.Number => Printable.Text(_tokens.Number(), 40),
        JsonTokenType.True or JsonTokenType.False => "a boolean",
        JsonTokenType.Null => "null",
        _ => "nothing",
    };

    private static InvalidFileException Fault(string name, string reason) =>
        new($"tensor '{Printable.Text(name)}': {reason}", tensor: name);
}
