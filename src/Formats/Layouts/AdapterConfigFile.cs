using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using Microsoft.Win32.SafeHandles;

namespace LoraKit.Formats.Layouts;

/// <summary>Reading adapter_config.json: bounded in size and depth, no key twice, every string real text.</summary>
internal static class AdapterConfigFile
{
    public const string Name = "adapter_config.json";

    private const int MaxBytes = 16 << 20;
    private const int MaxDepth = 64;

    // As json.dumps(indent=2) has it.
    private static readonly JsonWriterOptions Indented = new() { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A configuration as it is written.</summary>
    public static byte[] Bytes(JsonObject config)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter json = new(buffer, Indented))
        {
            config.WriteTo(json);
        }

        return buffer.WrittenSpan.ToArray();
    }

    /// <exception cref="InvalidAdapterException">It is too large, no JSON object, or names a setting twice.</exception>
    /// <exception cref="InvalidFileException">It is no regular file, or cannot be read.</exception>
    public static AdapterConfig Read(string path)
    {
        using SafeFileHandle file = RegularFile.OpenRead(path);
        long length = RandomAccess.GetLength(file);
        if (length > MaxBytes)
        {
            throw new InvalidAdapterException($"{Printable.Text(path)}: is {length} bytes; a configuration has at most {MaxBytes}", path);
        }

        byte[] bytes = new byte[length];
        for (int done = 0; done < bytes.Length;)
        {
            int read = RandomAccess.Read(file, bytes.AsSpan(done), done);
            if (read == 0) throw new InvalidFileException($"{Printable.Text(path)}: became shorter while it was read", path);
            done += read;
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
                : throw new InvalidAdapterException($"{Printable.Text(path)}: holds no JSON object", path);
        }
        catch (JsonException invalid)
        {
            throw new InvalidAdapterException(
                $"{Printable.Text(path)}: is no valid JSON (line {invalid.LineNumber + 1}, byte "
                + $"{invalid.BytePositionInLine + 1})", path, cause: invalid);
        }
        catch (InvalidOperationException invalid)
        {
            // A string whose escapes make no text (half a surrogate pair).
            throw new InvalidAdapterException($"{Printable.Text(path)}: holds a string that is no valid text", path, cause: invalid);
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
                        throw new InvalidAdapterException($"{Printable.Text(path)}: '{Printable.Text(current)}' is there twice", path);
                    }

                    break;
                case JsonTokenType.String:
                    reader.GetString();
                    break;
            }
        }
    }
}
