using System.Text.Json;

namespace LoraKit.Formats.Checkpoints;

/// <summary>Where a setting's values stand in a configuration, as byte positions, and where one could be appended.</summary>
internal sealed record SettingSpans
{
    /// <summary>The values at the top and in <c>text_config</c>, in the order of the file.</summary>
    public required IReadOnlyList<(int Start, int End)> Values { get; init; }

    /// <summary>Right after the top object's last value, or after its brace if it is empty.</summary>
    public required int AppendAt { get; init; }

    /// <summary>The white space before the last name at the top, for one more in the same style.</summary>
    public required int GapStart { get; init; }

    /// <summary>Where that white space ends.</summary>
    public required int GapEnd { get; init; }

    /// <summary>Whether the top object has no setting.</summary>
    public required bool IsEmpty { get; init; }

    /// <param name="json">A valid JSON object.</param>
    /// <param name="key">The setting.</param>
    /// <param name="maxDepth">How deep values may nest.</param>
    public static SettingSpans Find(ReadOnlySpan<byte> json, string key, int maxDepth)
    {
        Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = maxDepth });
        List<(int, int)> values = [];
        reader.Read();
        int appendAt = (int)reader.BytesConsumed;
        int gapStart = appendAt;
        int gapEnd = appendAt;
        bool empty = true;
        bool inText = false;
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.EndObject)
            {
                if (!inText) break;
                inText = false;
                appendAt = (int)reader.BytesConsumed;
                continue;
            }

            bool wanted = reader.ValueTextEquals(key);
            bool text = !inText && reader.ValueTextEquals("text_config");
            if (!inText)
            {
                gapEnd = (int)reader.TokenStartIndex;
                gapStart = gapEnd;
                while (json[gapStart - 1] is (byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n') gapStart--;
                empty = false;
            }

            reader.Read();
            if (text && reader.TokenType == JsonTokenType.StartObject)
            {
                inText = true;
                continue;
            }

            int start = (int)reader.TokenStartIndex;
            reader.Skip();
            if (wanted) values.Add((start, (int)reader.BytesConsumed));
            if (!inText) appendAt = (int)reader.BytesConsumed;
        }

        return new() { Values = values, AppendAt = appendAt, GapStart = gapStart, GapEnd = gapEnd, IsEmpty = empty };
    }
}
