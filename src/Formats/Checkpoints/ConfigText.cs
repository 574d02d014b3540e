using System.Text;
using System.Text.Json;

namespace LoraKit.Formats.Checkpoints;

/// <summary>The bytes of a config.json: as JSON that .NET reads, and with one setting changed in place.</summary>
internal static class ConfigText
{
    private const int MaxDepth = 128;

    // As long as the literal it stands for, so that every position stays: numbers beyond the range for the infinities, and for NaN
    // something that no one takes for a number.
    private static readonly (byte[] Literal, byte[] StandIn)[] Literals =
    [
        ("Infinity"u8.ToArray(), "1.0e9999"u8.ToArray()),
        ("NaN"u8.ToArray(), "[ ]"u8.ToArray()),
    ];

    public static JsonDocumentOptions Options => new() { MaxDepth = MaxDepth, AllowDuplicateProperties = false };

    /// <summary>The same bytes from the first brace on; literals that only Python knows have stand-ins of equal length.</summary>
    /// <exception cref="JsonException">It is no JSON.</exception>
    /// <exception cref="InvalidOperationException">A string in it is no valid text.</exception>
    public static ReadOnlySpan<byte> AsJson(byte[] bytes)
    {
        ReadOnlySpan<byte> json = Standard(bytes).AsSpan(MarkLength(bytes));
        Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = MaxDepth });
        while (reader.Read())
        {
            if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName) reader.GetString();
        }

        return json;
    }

    /// <summary>
    /// Changes the setting's value at the top and in <c>text_config</c>, where they have it; appends it to the top where neither has it, or
    /// to each of the two that lacks it.
    /// </summary>
    public static byte[] Splice(byte[] bytes, string key, string value, bool toEach)
    {
        int mark = MarkLength(bytes);
        SettingSpans spans = SettingSpans.Find(Standard(bytes).AsSpan(mark), key, MaxDepth);
        List<(int Start, int End, string Text)> changes = [.. spans.Values.Select(v => (v.Start, v.End, value))];
        SettingPlace?[] lacking = toEach ? [spans.Top, spans.Text] : spans.Values.Count == 0 ? [spans.Top] : [];
        foreach (SettingPlace place in lacking.OfType<SettingPlace>().Where(p => !p.HasSetting))
        {
            string name = $"\"{JsonEncodedText.Encode(key)}\"";
            string gap = Encoding.UTF8.GetString(bytes, mark + place.Gap.Start, place.Gap.End - place.Gap.Start);
            changes.Add((place.AppendAt, place.AppendAt, place.IsEmpty ? $"{name}: {value}" : $",{gap}{name}: {value}"));
        }

        changes.Sort((one, other) => one.Start.CompareTo(other.Start));
        using MemoryStream spliced = new(bytes.Length + 64);
        int done = 0;
        foreach ((int start, int end, string text) in changes)
        {
            spliced.Write(bytes, done, mark + start - done);
            spliced.Write(Encoding.UTF8.GetBytes(text));
            done = mark + end;
        }

        spliced.Write(bytes, done, bytes.Length - done);
        return spliced.ToArray();
    }

    private static int MarkLength(ReadOnlySpan<byte> bytes) => bytes.StartsWith(Encoding.UTF8.Preamble) ? Encoding.UTF8.Preamble.Length : 0;

    private static byte[] Standard(byte[] bytes)
    {
        if (Literals.All(l => bytes.AsSpan().IndexOf(l.Literal) < 0)) return bytes;
        byte[] standard = [.. bytes];
        bool quoted = false;
        for (int i = 0; i < standard.Length; i++)
        {
            if (quoted && standard[i] == '\\') i++;
            else if (standard[i] == '"') quoted = !quoted;
            else if (!quoted && Literals.FirstOrDefault(l => bytes.AsSpan(i).StartsWith(l.Literal)) is { Literal: not null } literal)
            {
                literal.StandIn.CopyTo(standard, i);
                i += literal.Literal.Length - 1;
            }
        }

        return standard;
    }
}
