using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>The canonical adapter as adapter_model.safetensors and adapter_config.json. See spec/layouts/peft.md, "Writing".</summary>
internal sealed class PeftWriter
{
    private const string TokensOnly = "TRAINABLE_TOKENS";

    private readonly Adapter _adapter;
    private readonly JsonObject _config;
    private readonly string _type;
    private readonly Dictionary<ModuleName, LowRankDelta> _modules;
    private readonly bool _isTokensOnly;

    /// <param name="adapter">Within the layout's limits.</param>
    public PeftWriter(Adapter adapter)
    {
        _adapter = adapter;
        _type = PeftKinds.TypeOf(adapter);
        _config = PeftDefaults.Complete(adapter.Config?.Json, _type);
        _modules = adapter.Deltas.Select(PeftKinds.Factors).OfType<LowRankDelta>().ToDictionary(module => module.Target.Module);
        _isTokensOnly = adapter.Deltas.Count == 0 && new JsonSettings(_config, AdapterConfigFile.Name).Text("peft_type") == TokensOnly;
    }

    public AdapterFiles Write()
    {
        PeftReplacements replacements = new(_adapter);
        SafetensorsWriter tensors = new(
            [.. _adapter.Deltas.SelectMany(Tensors), .. replacements.Tensors(PeftKey.Prefix, _isTokensOnly)],
            new Dictionary<string, string>(_adapter.Metadata) { ["format"] = "pt" });
        byte[] config = Config(replacements);
        return new AdapterFiles(false,
        [
            new(AdapterLocation.Tensors, tensors.Header.FileLength, (output, path, cancellation) => tensors.WriteTo(output, path, cancellation)),
            new(AdapterConfigFile.Name, config.Length, (output, path, _) => output.CreateFile(path, config.Length).Write(0, config)),
        ]);
    }

    private IEnumerable<TensorToWrite> Tensors(AdapterDelta delta)
    {
        string module = PeftKey.Prefix + delta.Target.Module.Path;
        switch (delta)
        {
            case MagnitudeDelta dora:
                foreach (TensorToWrite tensor in Tensors(dora.Inner)) yield return tensor;
                yield return PeftMagnitudes.Tensor(module, dora);
                break;
            case LohaDelta or LokrDelta:
                foreach ((string name, TensorValue tensor, TensorShape shape) in delta is LohaDelta loha ? PeftLycoris.Tensors(loha) : PeftLycoris.Tensors((LokrDelta)delta))
                {
                    yield return new TensorToWrite($"{module}.{name}", tensor.DType, shape, tensor.ReadBytes);
                }

                break;
            case LowRankDelta { IsEmbedding: true } embedding:
                yield return TensorToWrite.Of(TransposedTensor.Of(embedding.Up), $"{module}.lora_embedding_A");
                yield return TensorToWrite.Of(TransposedTensor.Of(embedding.Down), $"{module}.lora_embedding_B");
                break;
            case LowRankDelta linear:
                // B has as many dimensions as A.
                TensorShape up = new([linear.OutFeatures, linear.Rank, .. Enumerable.Repeat(1L, linear.Down.Shape.Rank - 2)]);
                yield return TensorToWrite.Of(linear.Down, $"{module}.lora_A.weight");
                yield return new TensorToWrite($"{module}.lora_B.weight", linear.Up.DType, up, linear.Up.ReadBytes);
                break;
            case DenseDelta bias:
                yield return TensorToWrite.Of(ScaledTensor.Of(bias.Values, bias.Scale, _modules[delta.Target.Module].Scale), $"{module}.lora_B.bias");
                break;
        }
    }

    private byte[] Config(PeftReplacements replacements)
    {
        if (!_isTokensOnly) _config["peft_type"] = _type;
        LowRankDelta[] modules = [.. _modules.Values];
        // What is written is written as modules; a parameter's ranks are looked up by another name.
        if (_config["target_parameters"] is JsonArray { Count: > 0 }) _config["target_parameters"] = null;
        IReadOnlyList<RankedModule> ranked = _type switch
        {
            PeftKinds.Loha => [.. _adapter.Deltas.OfType<LohaDelta>().Select(PeftLycoris.Ranked)],
            PeftKinds.Lokr => Kronecker(),
            _ => [.. modules.Select(module => new RankedModule(module.Target.Module, module.Rank, module.Scale))],
        };
        PeftRanks.Set(_config, ranked);
        PeftSelection.Set(_config, [.. ranked.Select(module => module.Name)], _adapter.BaseModules);
        replacements.Set(_config, _isTokensOnly);
        // Factors are written at their full sizes.
        if (_config["use_bdlora"] is not null) _config["use_bdlora"] = null;
        SetFlag("use_dora", _adapter.Deltas.Any(delta => delta is MagnitudeDelta));
        if (_type == PeftKinds.Loha) SetFlag("use_effective_conv2d", _adapter.Deltas.OfType<LohaDelta>().Any(loha => loha.First.Down is TuckerDown));
        SetFlag("lora_bias", _adapter.Deltas.Any(delta => delta is DenseDelta));
        if (PeftOrientation.OfSquares(modules) is { } isInOut) SetFlag("fan_in_fan_out", isInOut);

        return AdapterConfigFile.Bytes(new JsonObject(_config.OrderBy(m => m.Key, StringComparer.Ordinal).Select(m => KeyValuePair.Create(m.Key, m.Value?.DeepClone()))));
    }

    private IReadOnlyList<RankedModule> Kronecker()
    {
        PeftKronecker settings = PeftKronecker.Of([.. _adapter.Deltas.OfType<LokrDelta>()], _adapter.Config)!;
        settings.Set(_config);
        return settings.Modules;
    }

    // A flag that is not there is off.
    private void SetFlag(string setting, bool value)
    {
        if (value != new JsonSettings(_config, AdapterConfigFile.Name).Flag(setting)) _config[setting] = value;
    }
}
