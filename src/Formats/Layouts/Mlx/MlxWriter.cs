using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Mlx;

/// <summary>The canonical adapter as adapters.safetensors and adapter_config.json. See spec/layouts/mlx.md, "Writing".</summary>
/// <param name="adapter">Within the layout's limits.</param>
internal sealed class MlxWriter(Adapter adapter)
{
    public AdapterFiles Write()
    {
        LowRankDelta[] modules = [.. adapter.Deltas.Cast<LowRankDelta>()];
        SafetensorsWriter tensors = new(modules.SelectMany(Tensors), adapter.Metadata.Count > 0 ? adapter.Metadata : null);
        byte[] config = AdapterConfigFile.Bytes(Config(modules));
        return new AdapterFiles(false,
        [
            new(AdapterLocation.MlxTensors, tensors.Header.FileLength, (output, path, cancellation) => tensors.WriteTo(output, path, cancellation)),
            new(AdapterConfigFile.Name, config.Length, (output, path, _) => output.CreateFile(path, config.Length).Write(0, config)),
        ]);
    }

    private static IEnumerable<TensorToWrite> Tensors(LowRankDelta module)
    {
        string name = module.Target.Module.Path;
        (TensorValue a, TensorValue b) = module.IsEmbedding ? (module.Up, module.Down) : (TransposedTensor.Of(module.Down), TransposedTensor.Of(module.Up));
        return [TensorToWrite.Of(a, name + MlxKey.Down), TensorToWrite.Of(b, name + MlxKey.Up)];
    }

    /// <summary>The arguments of the training with scale and rank as they are now, alpha gone: the scale is the whole multiplier.</summary>
    private JsonObject Config(LowRankDelta[] modules)
    {
        bool isMlx = adapter.Config?.Json.ContainsKey("peft_type") == false;
        JsonObject config = isMlx ? (JsonObject)adapter.Config!.Json.DeepClone() : [];
        if (!isMlx && adapter.Config?.BaseModel is { } model) config["model"] = model;
        config[MlxConfig.Method] = "lora";
        // Before October 2024 it had another name, which is not read any more.
        if (!config.ContainsKey("num_layers")) config["num_layers"] = config["lora_layers"] is { } layers ? layers.DeepClone() : -1;
        JsonObject parameters = config[MlxConfig.Parameters] as JsonObject ?? new() { ["dropout"] = 0.0, ["keys"] = new JsonArray([.. Keys(modules)]) };
        parameters.Remove("alpha");
        if (modules.Length > 0)
        {
            parameters["rank"] = modules[0].Rank;
            parameters["scale"] = modules[0].Scale;
        }

        config[MlxConfig.Parameters] = parameters;
        return config;
    }

    /// <summary>The modules as mlx-lm names them within a layer.</summary>
    private static IEnumerable<JsonNode> Keys(LowRankDelta[] modules) => modules
        .Select(module => module.Target.Module.Path.Split('.'))
        .Select(parts => string.Join('.', parts[(Array.FindLastIndex(parts, part => part.All(char.IsAsciiDigit)) + 1)..]))
        .Distinct().Order(StringComparer.Ordinal).Select(key => (JsonNode)key);
}
