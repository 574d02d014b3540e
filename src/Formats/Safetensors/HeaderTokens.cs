using System.Text;
using System.Text.Json;
using LoraKit.Formats.Files;

namespace LoraKit.Formats.Safetensors;

/// <summary>
/// The header's JSON tokens, pulled one at a time. Whatever it lets pass, the reference's JSON reader would take too: strings
/// without lone surrogates, numbers within the range of a double, at most <see cref="MaxDepth"/> levels.
/// </summary>
internal ref struct HeaderTokens
{
    // The reference stops at the 128th open bracket.
    private const int MaxDepth = 127;

    private readonly HeaderBytes _bytes;
    private Utf8JsonReader _reader;

    public HeaderTokens(HeaderBytes bytes)
    {
        _bytes = bytes;
        bytes.Advance(0);
        _reader = new(bytes.Available, bytes.IsLast, new JsonReaderState(new JsonReaderOptions { MaxDepth = MaxDepth }));
    }

    /// <summary>The current token's type.</summary>
    public readonly JsonTokenType Type => _reader.TokenType;

    /// <summary>Where the current token begins, counted from the header's first byte.</summary>
    public readonly long Position => _bytes.Position + _reader.TokenStartIndex;

    /// <summary>Moves to the next token; false at the end.</summary>
    /// <exception cref="InvalidFileException">This is no JSON.</exception>
    public bool Next()
    {
        try
        {
            while (!_reader.Read())
            {
                if (_bytes.IsLast) return false;
                _bytes.Advance((int)_reader.BytesConsumed);
                _reader = new(_bytes.Available, _bytes.IsLast, _reader.CurrentState);
            }
        }
        catch (JsonException e)
        {
            throw new InvalidFileException($"the header is not valid JSON near its byte {_bytes.Position + _reader.BytesConsumed}: {Reason(e)}", cause: e);
        }

        CheckValue();
        return true;
    }

    /// <summary>Moves to the next token of a value that must have one.</summary>
    public void Require()
    {
        if (!Next()) throw new InvalidFileException("the header's JSON ends early");
    }

    /// <summary>Passes over the current value, whatever it is, still checking it.</summary>
    public void Skip()
    {
        if (Type is not (JsonTokenType.StartObject or JsonTokenType.StartArray)) return;
        int depth = _reader.CurrentDepth;
        do Require();
        while (_reader.CurrentDepth > depth);
    }

    /// <summary>Whether the current string or property name is this text, however it is escaped.</summary>
    public readonly bool Is(ReadOnlySpan<byte> text) => _reader.ValueTextEquals(text);

    /// <summary>The current string or property name, decoded.</summary>
    public readonly string Text() => _reader.GetString()!;

    /// <summary>Copies the current string, decoded, as UTF-8 where it is short enough.</summary>
    public readonly bool TryCopyText(scoped Span<byte> destination, out int length)
    {
        length = 0;
        if (_reader.ValueSpan.Length > destination.Length) return false;
        length = _reader.CopyString(destination);
        return true;
    }

    /// <summary>The current number as it is written.</summary>
    public readonly string Number() => Encoding.ASCII.GetString(_reader.ValueSpan);

    /// <summary>The current number, if it is written as a whole number from 0 to 2⁶⁴−1.</summary>
    public readonly bool TryGetWhole(out ulong value)
    {
        value = 0;
        return Type == JsonTokenType.Number && _reader.TryGetUInt64(out value);
    }

    private readonly void CheckValue()
    {
        if (Type is JsonTokenType.String or JsonTokenType.PropertyName)
        {
            if (_reader.ValueIsEscaped && JsonEscapes.HaveLoneSurrogate(_reader.ValueSpan))
                throw new InvalidFileException($"the header has a lone surrogate escape in the string at its byte {Position}");
        }
        else if (Type == JsonTokenType.Number && MayBeOutOfRange(_reader.ValueSpan) && !(_reader.TryGetDouble(out double value) && double.IsFinite(value)))
        {
            throw new InvalidFileException($"the header has a number out of range at its byte {Position}");
        }
    }

    // Up to 300 digits without an exponent stay far below the largest double, 1.8e308.
    private static bool MayBeOutOfRange(ReadOnlySpan<byte> number) => number.Length > 300 || number.ContainsAny((byte)'e', (byte)'E');

    // The first sentence: what follows tells of reader options and counts lines.
    private static string Reason(JsonException e)
    {
        int end = e.Message.IndexOf(". ", StringComparison.Ordinal);
        return Printable.Text(end < 0 ? e.Message : e.Message[..end]);
    }
}
