using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Gguf;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Gguf;

/// <summary>The canonical adapter as llama.cpp's. See spec/layouts/gguf.md, "Writing".</summary>
internal sealed class GgufAdapterWriter
{
    private const string HuggingFace = "https://huggingface.co/";

    private readonly Adapter _adapter;
    private readonly BaseFacts _facts;
    private readonly GgufArchitecture _architecture;
    private readonly LowRankDelta[] _modules;

    /// <param name="adapter">Within the layout's limits.</param>
    public GgufAdapterWriter(Adapter adapter)
    {
        _adapter = adapter;
        _facts = GgufHeads.Facts(adapter.Base, adapter.Metadata);
        _architecture = GgufArchitecture.Named(_facts.Architecture)!;
        _modules = [.. adapter.Deltas.Cast<LowRankDelta>()];
    }

    public AdapterFiles Write()
    {
        GgufWriter file = new(KeyValues(), [.. Places().SelectMany(Tensors)]);
        return new AdapterFiles(true, [new("adapter.gguf", file.Header.FileLength, (output, path, cancellation) => file.WriteTo(output, path, cancellation))]);
    }

    private OrderedDictionary<string, GgufValue> KeyValues()
    {
        OrderedDictionary<string, GgufValue> values = new(StringComparer.Ordinal)
        {
            [GgufKeys.Architecture] = GgufValue.Of(_architecture.Name),
            [GgufKeys.Type] = GgufValue.Of(GgufKeys.Adapter),
            [GgufKeys.AdapterType] = GgufValue.Of(GgufKeys.Lora),
            [GgufKeys.Alpha] = GgufValue.Of(GgufAlpha.Of(_modules)),
        };
        // So that who reads it back needs no base.
        if (_architecture.InterleavesHeads && _facts is { Heads: { } heads, KeyValueHeads: { } keyValueHeads })
        {
            values[GgufKeys.Heads(_architecture.Name)] = GgufValue.Of(checked((uint)heads));
            values[GgufKeys.KeyValueHeads(_architecture.Name)] = GgufValue.Of(checked((uint)keyValueHeads));
        }

        if (_adapter.Config?.Json[GgufLayout.InvocationTokens] is JsonArray { Count: > 0 } tokens)
            values[GgufKeys.InvocationTokens] = GgufValue.Of([.. new JsonSettings(_adapter.Config.Json, AdapterConfigFile.Name).WholeNumbers(GgufLayout.InvocationTokens, tokens).Select(token => checked((uint)token))]);
        if (_adapter.Config?.BaseModel is { Length: > 0 } model) BaseModel(values, model);
        foreach ((string key, string text) in _adapter.Metadata)
        {
            // safetensors' own word for the program that wrote it.
            if (key.Length > 0 && key != "format") values.TryAdd(key, GgufValue.Of(text));
        }

        return values;
    }

    // A folder of this machine is nobody's business: its own name will do.
    private static void BaseModel(OrderedDictionary<string, GgufValue> values, string model)
    {
        bool isId = model.Count(c => c == '/') == 1 && model[0] is not ('/' or '.' or '~') && !model.Contains('\\');
        values[GgufKeys.BaseModels] = GgufValue.Of(1u);
        values[GgufKeys.BaseModelName] = GgufValue.Of(model.TrimEnd('/', '\\').Split('/', '\\')[^1]);
        if (isId) values[GgufKeys.BaseModelUrl] = GgufValue.Of(HuggingFace + model);
    }

    /// <summary>The modules of each tensor of the base: one, or a stack's experts in their order.</summary>
    private IEnumerable<(string Place, LowRankDelta[] Modules)> Places() => _modules
        .Select(module => (Place: _architecture.ToGguf(module.Target.Module.Path)!.Value, Module: module))
        .GroupBy(part => part.Place.Name)
        .Select(group => (group.Key, group.OrderBy(part => part.Place.Expert).Select(part => part.Module).ToArray()));

    private IEnumerable<GgufTensorToWrite> Tensors((string Place, LowRankDelta[] Modules) entry)
    {
        (string a, string b) = GgufKey.Names(entry.Place);
        (TensorValue A, TensorValue B)[] factors = [.. entry.Modules.Select(module => Factors(entry.Place, module))];
        bool isStack = GgufArchitecture.IsStack(entry.Place);
        return [Tensor(a, [.. factors.Select(pair => pair.A)], isStack), Tensor(b, [.. factors.Select(pair => pair.B)], isStack)];
    }

    private (TensorValue A, TensorValue B) Factors(string place, LowRankDelta module) =>
        module.IsEmbedding ? (module.Up, TransposedTensor.Of(module.Down))
        : GgufHeads.Concern(_architecture, place) ? (module.Down, HeadRows.Interleave(module.Up, GgufHeads.Of(_facts, place)!.Value))
        : (module.Down, module.Up);

    /// <summary>In the type they have, F64 as F32; where experts of one stack differ, all as F32.</summary>
    private static GgufTensorToWrite Tensor(string name, TensorValue[] parts, bool isStack)
    {
        GgmlType type = parts.Select(GgufLimits.StoredType).Distinct().ToArray() is [{ } one] ? one : GgmlType.Of(DType.F32)!;
        TensorValue[] cast = [.. parts.Select(part => Cast(part, type.DType!.Value))];
        TensorValue value = isStack ? new StackedTensor(cast) : cast[0];
        return new(name, type, value.Shape, value.ReadBytes);
    }

    private static TensorValue Cast(TensorValue value, DType dtype) => value.DType == dtype ? value : new ComputedTensor(value.Name, dtype, value.Shape, (start, destination) =>
    {
        // Pieces are of whole elements: the writer's are.
        byte[] source = new byte[destination.Length / dtype.Bytes() * value.DType.Bytes()];
        value.ReadBytes(start / dtype.Bytes() * value.DType.Bytes(), source);
        FloatConvert.Cast(value.DType, source, dtype, destination);
    });
}
