using System.Globalization;
using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Mlx;

/// <summary>The canonical adapter as adapters.safetensors and adapter_config.json. See spec/layouts/mlx.md, "Writing".</summary>
/// <param name="adapter">Within the layout's limits.</param>
internal sealed class MlxWriter(Adapter adapter)
{
    /// <summary>Whether it is new weights and nothing else: what mlx-lm calls a full fine-tune.</summary>
    public static bool IsFull(Adapter adapter) => adapter is { Deltas.Count: 0, Replacements.Count: > 0 } && adapter.Replacements.All(replacement => replacement.Rows is null);

    public AdapterFiles Write()
    {
        MlxModule[] modules = [.. adapter.Deltas.Select(delta => MlxModule.Of(delta)!)];
        IEnumerable<TensorToWrite> weights = adapter.Replacements.Select(replacement => TensorToWrite.Of(replacement.Values, replacement.Target.Path));
        SafetensorsWriter tensors = new(modules.SelectMany(Tensors).Concat(weights), adapter.Metadata.Count > 0 ? adapter.Metadata : null);
        byte[] config = AdapterConfigFile.Bytes(Config(modules));
        return new AdapterFiles(false,
        [
            new(AdapterLocation.MlxTensors, tensors.Header.FileLength, (output, path, cancellation) => tensors.WriteTo(output, path, cancellation)),
            new(AdapterConfigFile.Name, config.Length, (output, path, _) => output.CreateFile(path, config.Length).Write(0, config)),
        ]);
    }

    private static IEnumerable<TensorToWrite> Tensors(MlxModule module)
    {
        (TensorValue a, TensorValue b) = module.Factors();
        yield return TensorToWrite.Of(a, module.Name + MlxKey.Down);
        yield return TensorToWrite.Of(b, module.Name + MlxKey.Up);
        if (module.Magnitude is { } m) yield return TensorToWrite.Of(ReshapedTensor.Of(m, new TensorShape(m.Shape.ElementCount)), module.Name + MlxKey.Magnitude);
    }

    /// <summary>The arguments of the training with scale and rank as they are now, alpha gone: the scale is the whole multiplier.</summary>
    private JsonObject Config(MlxModule[] modules)
    {
        bool isMlx = adapter.Config?.Json.ContainsKey("peft_type") == false;
        JsonObject config = isMlx ? (JsonObject)adapter.Config!.Json.DeepClone() : [];
        if (!isMlx && adapter.Config?.BaseModel is { } model) config["model"] = model;
        config[MlxConfig.Method] = IsFull(adapter) ? "full" : modules.Any(module => module.Magnitude is not null) ? "dora" : "lora";
        config.Remove("use_dora");
        if (modules.Length == 0) return config;

        string[] names = [.. modules.Select(module => module.Name)];
        // Before October 2024 it had another name, which is not read any more.
        JsonNode? layers = config["num_layers"] ?? config["lora_layers"];
        config["num_layers"] = MlxLayers.Count(names, adapter.BaseModules, long.TryParse(layers?.ToJsonString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long stated) ? stated : null);
        JsonObject parameters = config[MlxConfig.Parameters] as JsonObject ?? new() { ["dropout"] = 0.0, ["keys"] = new JsonArray() };
        parameters.Remove("alpha");
        parameters["rank"] = modules[0].Rank;
        parameters["scale"] = modules[0].Scale;
        // Without keys it is all modules of a layer.
        if (parameters["keys"] is JsonArray || !MlxLayers.AreAllInLayers(names)) parameters["keys"] = new JsonArray([.. MlxLayers.Keys(names).Select(key => (JsonNode)key)]);
        config[MlxConfig.Parameters] = parameters;
        return config;
    }
}
