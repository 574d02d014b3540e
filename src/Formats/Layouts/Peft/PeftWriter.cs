using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>The canonical adapter as adapter_model.safetensors and adapter_config.json. See spec/layouts/peft.md.</summary>
internal sealed class PeftWriter(Adapter adapter)
{
    private const string Prefix = "base_model.model.";
    private static readonly JsonWriterOptions Indented = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public AdapterFiles Write()
    {
        SafetensorsWriter tensors = new(
            [.. adapter.Deltas.SelectMany(Tensors), .. adapter.Replacements.Select(r => TensorToWrite.Of(r.Values))],
            new Dictionary<string, string> { ["format"] = "pt" });
        byte[] config = Config();
        return new AdapterFiles(false,
        [
            new("adapter_model.safetensors", tensors.Header.FileLength, (output, path, cancellation) => tensors.WriteTo(output, path, cancellation)),
            new(AdapterConfigFile.Name, config.Length, (output, path, _) => output.CreateFile(path, config.Length).Write(0, config)),
        ]);
    }

    private static IEnumerable<TensorToWrite> Tensors(AdapterDelta delta)
    {
        string module = Prefix + delta.Target.Module.Path;
        switch (delta)
        {
            case LowRankDelta { IsEmbedding: true } embedding:
                yield return TensorToWrite.Of(new TransposedTensor(embedding.Up), $"{module}.lora_embedding_A");
                yield return TensorToWrite.Of(new TransposedTensor(embedding.Down), $"{module}.lora_embedding_B");
                break;
            case LowRankDelta linear:
                yield return TensorToWrite.Of(linear.Down, $"{module}.lora_A.weight");
                yield return TensorToWrite.Of(linear.Up, $"{module}.lora_B.weight");
                break;
            case DenseDelta dense:
                yield return TensorToWrite.Of(dense.Values, $"{module}.lora_B.bias");
                break;
        }
    }

    private byte[] Config()
    {
        LowRankDelta[] modules = [.. adapter.Deltas.OfType<LowRankDelta>()];
        JsonObject config = adapter.Config is { } source ? (JsonObject)source.Json.DeepClone() : [];
        config["peft_type"] = "LORA";
        bool stabilized = config["use_rslora"] is JsonValue flag && flag.TryGetValue(out bool on) && on;
        long rank = MostCommon(modules.Select(m => m.Rank), 8);
        double alpha = MostCommon(modules.Select(m => Alpha(m, stabilized)), rank);
        config["r"] = rank;
        config["lora_alpha"] = Number(alpha);
        config["rank_pattern"] = Exceptions(modules.Where(m => m.Rank != rank), m => m.Rank);
        config["alpha_pattern"] = Exceptions(modules.Where(m => Alpha(m, stabilized) != alpha), m => Number(Alpha(m, stabilized)));
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter json = new(buffer, Indented))
        {
            Sorted(config).WriteTo(json);
        }

        return [.. buffer.WrittenSpan, (byte)'\n'];
    }

    private static double Alpha(LowRankDelta module, bool stabilized) => module.Scale * (stabilized ? Math.Sqrt(module.Rank) : module.Rank);

    private static JsonObject Exceptions(IEnumerable<LowRankDelta> modules, Func<LowRankDelta, JsonNode> value) =>
        new(modules.OrderBy(m => m.Target.Module.Path, StringComparer.Ordinal).Select(m => KeyValuePair.Create(m.Target.Module.Path, (JsonNode?)value(m))));

    private static JsonNode Number(double value) => value == Math.Truncate(value) && Math.Abs(value) < 1e15 ? (long)value : value;

    private static JsonObject Sorted(JsonObject config) =>
        new(config.OrderBy(m => m.Key, StringComparer.Ordinal).Select(m => KeyValuePair.Create(m.Key, m.Value?.DeepClone())));

    private static T MostCommon<T>(IEnumerable<T> values, T otherwise) =>
        values.GroupBy(v => v).OrderByDescending(g => g.Count()).ThenBy(g => g.Key).Select(g => g.Key).DefaultIfEmpty(otherwise).First();
}
