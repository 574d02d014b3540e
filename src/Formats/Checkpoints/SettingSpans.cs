using System.Text.Json;

namespace LoraKit.Formats.Checkpoints;

/// <summary>Where a setting's values stand in a configuration, as byte positions, and where one could be appended.</summary>
internal sealed record SettingSpans
{
    /// <summary>The values at the top and in <c>text_config</c>, in the order of the file.</summary>
    public required IReadOnlyList<(int Start, int End)> Values { get; init; }

    /// <summary>The configuration itself.</summary>
    public required SettingPlace Top { get; init; }

    /// <summary>Its <c>text_config</c>; null where it has none.</summary>
    public required SettingPlace? Text { get; init; }

    /// <param name="json">A valid JSON object.</param>
    /// <param name="key">The setting.</param>
    /// <param name="maxDepth">How deep values may nest.</param>
    public static SettingSpans Find(ReadOnlySpan<byte> json, string key, int maxDepth)
    {
        Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = maxDepth });
        List<(int, int)> values = [];
        reader.Read();
        SettingPlace top = new((int)reader.BytesConsumed);
        SettingPlace? text = null;
        SettingPlace place = top;
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.EndObject)
            {
                if (place == top) break;
                place = top;
                top.AppendAt = (int)reader.BytesConsumed;
                continue;
            }

            place.AddName(json, (int)reader.TokenStartIndex);
            bool wanted = reader.ValueTextEquals(key);
            bool isText = place == top && reader.ValueTextEquals("text_config");
            reader.Read();
            if (isText && reader.TokenType == JsonTokenType.StartObject)
            {
                place = text = new((int)reader.BytesConsumed);
                continue;
            }

            int start = (int)reader.TokenStartIndex;
            reader.Skip();
            place.AppendAt = (int)reader.BytesConsumed;
            place.HasSetting |= wanted;
            if (wanted) values.Add((start, (int)reader.BytesConsumed));
        }

        return new() { Values = values, Top = top, Text = text };
    }
}
