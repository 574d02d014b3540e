using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts;

/// <summary>Reading adapter_config.json: bounded in size and depth, no key twice, every string real text.</summary>
internal static class AdapterConfigFile
{
    public const string Name = "adapter_config.json";

    private const int MaxBytes = 16 << 20;
    private const int MaxDepth = 64;

    /// <exception cref="InvalidAdapterException">It is too large, no JSON object, or names a setting twice.</exception>
    public static AdapterConfig Read(string path)
    {
        byte[] bytes;
        try
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            if (file.Length > MaxBytes)
            {
                throw new InvalidAdapterException($"'{path}' is {file.Length} bytes; a configuration has at most {MaxBytes}", path);
            }

            bytes = new byte[file.Length];
            file.ReadExactly(bytes);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InvalidFileException($"'{path}' cannot be read: {error.Message}", path, cause: error);
        }

        return Parse(bytes, path);
    }

    /// <exception cref="InvalidAdapterException">No JSON object, or a setting named twice.</exception>
    public static AdapterConfig Parse(ReadOnlySpan<byte> json, string path)
    {
        ReadOnlySpan<byte> mark = Encoding.UTF8.Preamble;
        if (json.StartsWith(mark)) json = json[mark.Length..];
        try
        {
            RefuseDuplicates(json, path);
            return JsonNode.Parse(json, documentOptions: new JsonDocumentOptions { MaxDepth = MaxDepth }) is JsonObject root
                ? new AdapterConfig(root)
                : throw new InvalidAdapterException($"'{path}' holds no JSON object", path);
        }
        catch (JsonException invalid)
        {
            throw new InvalidAdapterException(
                $"'{path}' is no valid JSON (line {invalid.LineNumber + 1}, byte {invalid.BytePositionInLine + 1})", path, cause: invalid);
        }
        catch (InvalidOperationException invalid)
        {
            // A string whose escapes make no text (half a surrogate pair).
            throw new InvalidAdapterException($"'{path}' holds a string that is no valid text", path, cause: invalid);
        }
    }

    private static void RefuseDuplicates(ReadOnlySpan<byte> json, string path)
    {
        Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = MaxDepth });
        Stack<(string Prefix, HashSet<string> Names)> open = [];
        string current = "";
        while (reader.Read())
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.StartObject:
                    open.Push((current.Length == 0 ? "" : current + ".", new HashSet<string>(StringComparer.Ordinal)));
                    break;
                case JsonTokenType.EndObject:
                    open.Pop();
                    break;
                case JsonTokenType.PropertyName:
                    string name = reader.GetString()!;
                    current = open.Peek().Prefix + name;
                    if (!open.Peek().Names.Add(name))
                    {
                        throw new InvalidAdapterException($"'{path}': '{DisplayText.Escape(current)}' is there twice", path);
                    }

                    break;
                case JsonTokenType.String:
                    reader.GetString();
                    break;
            }
        }
    }
}
