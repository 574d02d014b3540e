using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>A PEFT adapter put together in memory: a configuration as JSON, tensors by name and shape.</summary>
internal sealed class PeftSample
{
    private readonly List<MemorySource.Entry> _entries = [];

    public PeftSample(string config = "{}")
    {
        JsonObject json = JsonNode.Parse(config)!.AsObject();
        json.TryAdd("peft_type", "LORA");
        json.TryAdd("base_model_name_or_path", "base");
        Config = json;
    }

    public JsonObject Config { get; }

    public PeftSample Tensor(string name, params long[] shape) => Tensor(name, DType.F32, shape);

    public PeftSample Tensor(string name, DType dtype, params long[] shape)
    {
        _entries.Add(new(name, dtype, new TensorShape(shape)));
        return this;
    }

    /// <summary>A tensor with seeded values.</summary>
    public PeftSample Valued(string name, DType dtype, params long[] shape)
    {
        Random random = new(name.Length);
        double[] values = [.. Enumerable.Range(0, (int)new TensorShape(shape).ElementCount).Select(_ => random.NextDouble() - 0.5)];
        _entries.Add(new(name, dtype, new TensorShape(shape), new TestTensor(name, dtype, shape, values).Bytes()));
        return this;
    }

    public PeftSample Values(string name, TensorShape shape, params float[] values)
    {
        _entries.Add(new(name, DType.F32, shape, System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(values).ToArray()));
        return this;
    }

    /// <summary>A pair of factors of a linear layer.</summary>
    public PeftSample Lora(string module, long rank = 8, long @in = 6, long @out = 5, string prefix = "base_model.model.") =>
        Tensor($"{prefix}{module}.lora_A.weight", rank, @in).Tensor($"{prefix}{module}.lora_B.weight", @out, rank);

    public PeftSample Shuffled(int seed)
    {
        PeftSample other = new(Config.ToJsonString());
        MemorySource.Entry[] entries = [.. _entries];
        new Random(seed).Shuffle(entries);
        other._entries.AddRange(entries);
        return other;
    }

    public AdapterSource Source() => new("adapter", new MemorySource([.. _entries]), new AdapterConfig(Config), "adapter_config.json");

    public Adapter Read()
    {
        AdapterSource source = Source();
        return AdapterLayouts.Detect(source, AdapterLayouts.All).Read(source);
    }

    public T Fails<T>()
        where T : LoraKitException
    {
        T error = Assert.Throws<T>(Read);
        Assert.DoesNotContain('\n', error.Message);
        return error;
    }
}
