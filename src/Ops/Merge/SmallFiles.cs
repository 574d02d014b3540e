using System.Text.Json.Nodes;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Merge;

/// <summary>A file of the output that is no tensor file: copied from the base's folder, or written from memory.</summary>
/// <param name="RelativePath">Its place in the output.</param>
/// <param name="Source">The file to copy; null where <paramref name="Bytes"/> are written.</param>
/// <param name="Bytes">What to write.</param>
internal sealed record SmallFile(string RelativePath, string? Source, byte[]? Bytes);

/// <summary>
/// What lies beside the tensors: configuration, tokenizer and the like as they are, but for the settings that the merge makes untrue,
/// and an index where there are shards.
/// </summary>
internal static class SmallFiles
{
    public static IReadOnlyList<SmallFile> Create(Checkpoint @base, IReadOnlyList<OutputShard> shards, EditPlanner edits, DType? outputType)
    {
        List<SmallFile> files = [];
        foreach (string path in @base.Folder is null ? [] : @base.OtherFiles)
        {
            CheckpointComponent? owner = @base.Components.FirstOrDefault(component => path == component.Folder + "config.json");
            files.Add(owner?.Config is { } config && Changed(config, @base.Layers, edits, outputType) is { } changed
                ? new(path, null, changed)
                : new(path, Path.Combine(@base.Folder!, path), null));
        }

        files.AddRange(@base.Components.Select(component => Index(@base, component, [.. shards.Where(s => s.RelativePath.StartsWith(component.Folder, StringComparison.Ordinal))])).OfType<SmallFile>());
        return files;
    }

    /// <summary>The index of a model; null where it is one file without.</summary>
    private static SmallFile? Index(Checkpoint @base, CheckpointComponent component, IReadOnlyList<OutputShard> shards)
    {
        CheckpointShard[] originals = [.. @base.Shards.Where(shard => shard.Prefix == component.Prefix)];
        bool sameFiles = shards.Count == originals.Length && shards.Zip(originals).All(pair =>
            pair.First.RelativePath == pair.Second.RelativePath && pair.First.Tensors.Count == pair.Second.File.Tensors.Count
            && pair.First.Tensors.All(t => t.Source is { } s && s.Name == t.Target.Name && s.Info.ByteLength == t.Target.ByteLength));
        if (component.IndexFile is { } index && sameFiles) return new(index, Path.Combine(@base.Folder!, index), null);
        if (shards.Count == 1 && component.IndexFile is null) return null;
        // An index for a single file is kept only where that file's name asks for one.
        string name = $"{OutputLayout.Stem(@base, component)}.safetensors";
        return shards.Count > 1 || shards[0].RelativePath != name ? new($"{name}.index.json", null, ShardIndexWriter.Write(shards, component)) : null;
    }

    private static byte[]? Changed(ModelConfig config, LayerReplication? layers, EditPlanner edits, DType? outputType)
    {
        ModelConfig changed = layers is null ? config : Replicated(config, layers);
        if (edits.NewVocabularySize is { } size) changed = changed.With("vocab_size", size.ToString(System.Globalization.CultureInfo.InvariantCulture));
        if (edits.Unties) changed = changed.WithInEach("tie_word_embeddings", "false");
        if (outputType is { } dtype)
        {
            foreach (string key in new[] { "torch_dtype", "dtype" }.Where(config.Has))
            {
                changed = changed.With(key, dtype switch { DType.F16 => "\"float16\"", DType.BF16 => "\"bfloat16\"", _ => "\"float32\"" });
            }
        }

        return ReferenceEquals(changed, config) ? null : changed.Bytes;
    }

    /// <summary>The number of layers, and whatever has an entry for each of them (<c>layer_types</c>).</summary>
    private static ModelConfig Replicated(ModelConfig config, LayerReplication layers)
    {
        const string count = "num_hidden_layers";
        ModelConfig changed = config.With(count, layers.Sources.Count.ToString(System.Globalization.CultureInfo.InvariantCulture));
        JsonObject[] settings = config.Json["text_config"] is JsonObject text ? [config.Json, text] : [config.Json];
        foreach ((string name, JsonNode? value) in settings.SelectMany(s => s).Where(s => s.Key.Contains("layer", StringComparison.Ordinal)).DistinctBy(s => s.Key))
        {
            if (value is not JsonArray list || list.Count != layers.Layers) continue;
            changed = changed.WithList(name, new JsonArray([.. layers.Sources.Select(layer => list[(int)layer]?.DeepClone())]));
        }

        return changed;
    }
}
