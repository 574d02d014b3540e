using System.Text.Json;
using System.Text.Json.Serialization;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Ops.Merge;

namespace LoraKit.Ops.Undo;

/// <summary>What a record says of a merge, beside the codes: the tensor <c>manifest</c>, as JSON. See spec/undo.md.</summary>
internal sealed record UndoManifest
{
    /// <summary>The format that is written, and the only one that is read.</summary>
    public const int CurrentVersion = 1;

    public required int Version { get; init; }

    /// <summary>The adapters, in the order in which they were named.</summary>
    public required IReadOnlyList<UndoAdapter> Adapters { get; init; }

    /// <summary>What the merged model puts before the names of the base's tensors.</summary>
    public required string NamePrefix { get; init; }

    /// <summary>The base's tensor files, in order.</summary>
    public required IReadOnlyList<UndoFile> Files { get; init; }

    /// <summary>The base's other files, as far as the merged model has them.</summary>
    public required IReadOnlyList<UndoOtherFile> OtherFiles { get; init; }

    /// <summary>Every tensor of the base whose bytes the merge may have changed.</summary>
    public required IReadOnlyList<UndoTensor> Tensors { get; init; }

    public byte[] ToBytes() => JsonSerializer.SerializeToUtf8Bytes(this, UndoJson.Default.UndoManifest);

    /// <exception cref="JsonException">The bytes are no manifest.</exception>
    public static UndoManifest Parse(ReadOnlySpan<byte> bytes)
    {
        UndoManifest manifest = JsonSerializer.Deserialize(bytes, UndoJson.Default.UndoManifest) ?? throw new JsonException("the manifest is null");
        // Lists may hold nulls for all that the serializer checks.
        IEnumerable<object?> entries = [.. manifest.Adapters, .. manifest.Files, .. manifest.OtherFiles, .. manifest.Tensors, .. manifest.Tensors.SelectMany(t => t?.Updates ?? [])];
        return entries.Contains(null) ? throw new JsonException("an entry of the manifest is null") : manifest;
    }
}

/// <summary>An adapter of the merge.</summary>
/// <param name="Path">Where it was, relative to the record's folder, with <c>/</c>.</param>
/// <param name="Weight">Its weight.</param>
/// <param name="Tensors">XXH128 of its tensor file.</param>
/// <param name="Config">XXH128 of its configuration; null where it had none.</param>
/// <param name="Reading">How it was read; null where the files alone say it.</param>
internal sealed record UndoAdapter(
    string Path, double Weight, string Tensors, string? Config,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] AdapterReadOptions? Reading = null);

/// <summary>A tensor file of the base; its header is the tensor <c>header:</c> and its path.</summary>
/// <param name="Path">Its place in the base's folder, with <c>/</c>.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Header">XXH128 of its header.</param>
/// <param name="Prefix">What the names of its tensors have before them, elsewhere in the manifest; null for nothing.</param>
internal sealed record UndoFile(
    string Path, long Bytes, string Header, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Prefix = null);

/// <summary>Another file of the base.</summary>
/// <param name="Path">Its place in the base's folder, with <c>/</c>.</param>
/// <param name="Hash">XXH128 of its bytes.</param>
/// <param name="Stored">Whether its bytes are the tensor <c>file:</c> and its path, because the merged model's are others.</param>
internal sealed record UndoOtherFile(string Path, string Hash, bool Stored);

/// <summary>A changed tensor; its codes are the tensor <c>codes:</c> and its name.</summary>
/// <param name="Name">Its name in the base.</param>
/// <param name="MergedType">Its element type in the merged model.</param>
/// <param name="Columns">Elements of a row.</param>
/// <param name="BlockRows">Rows of a block.</param>
/// <param name="InDoubles">Whether the updates are summed in F64.</param>
/// <param name="Updates">The updates that are subtracted from it, in order.</param>
/// <param name="Corrections">How many elements that does not give back.</param>
/// <param name="Before">The hash of its bytes in the base.</param>
/// <param name="After">The hash of its bytes in the merged model.</param>
internal sealed record UndoTensor(
    string Name, string MergedType, int Columns, int BlockRows, bool InDoubles, IReadOnlyList<UndoUpdate> Updates, long Corrections, string Before, string After);

/// <summary>One update of one tensor.</summary>
/// <param name="Adapter">Which adapter brings it.</param>
/// <param name="Target">Its target, as the adapter has it.</param>
/// <param name="Occurrence">Which of the adapter's updates of that target, from 0.</param>
/// <param name="Transposed">Whether the base stores the matrix as [in, out].</param>
/// <param name="Region">What it changes of the tensor; null for all of it.</param>
/// <param name="Part">Which part of that update it is; null for all of it.</param>
/// <param name="Rows">Which rows of that update those are; null for all.</param>
/// <param name="Heads">How many heads the tensor's rows are, where it has them in llama.cpp's order; null where they are in the update's.</param>
internal sealed record UndoUpdate(
    int Adapter, string Target, int Occurrence, bool Transposed,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Region? Region = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] ExpertPart? Part = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] RowRange? Rows = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] long? Heads = null);

/// <summary>The manifest's shape, known at build time.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(UndoManifest))]
internal sealed partial class UndoJson : JsonSerializerContext;
