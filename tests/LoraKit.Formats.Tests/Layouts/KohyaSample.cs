using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>A kohya adapter put together in memory, with seeded values.</summary>
internal sealed class KohyaSample
{
    private readonly List<MemorySource.Entry> _entries = [];
    private readonly Random _random = new(17);

    public Dictionary<string, string> Metadata { get; } = [];

    public KohyaSample Tensor(string name, DType dtype, params long[] shape)
    {
        long count = new TensorShape(shape).ElementCount;
        byte[] bytes = dtype.IsMergeable() ? new TestTensor(name, dtype, shape, [.. Enumerable.Range(0, (int)count).Select(_ => _random.NextDouble() - 0.5)]).Bytes() : new byte[count * dtype.Bits() / 8];
        _entries.Add(new(name, dtype, new TensorShape(shape), bytes));
        return this;
    }

    public KohyaSample Bytes(string name, DType dtype, long[] shape, byte[] bytes)
    {
        _entries.Add(new(name, dtype, new TensorShape(shape), bytes));
        return this;
    }

    public KohyaSample Alpha(string module, double alpha, DType dtype = DType.F32, params long[] shape) =>
        Bytes(module + ".alpha", dtype, shape, new TestTensor("", dtype, shape, [alpha]).Bytes());

    /// <summary>A linear layer of the odd sizes 53 → 37.</summary>
    public KohyaSample Linear(string module, long rank = 4, DType dtype = DType.F16, long @in = 53, long @out = 37) =>
        Tensor(module + ".lora_down.weight", dtype, rank, @in).Tensor(module + ".lora_up.weight", dtype, @out, rank);

    public KohyaSample Kernel(string module, long rank, long size, DType dtype = DType.F16) =>
        Tensor(module + ".lora_down.weight", dtype, rank, 5, size, size).Tensor(module + ".lora_up.weight", dtype, 7, rank, 1, 1);

    public KohyaSample Tucker(string module, long rank, DType dtype = DType.F16) =>
        Tensor(module + ".lora_down.weight", dtype, rank, 5, 1, 1).Tensor(module + ".lora_mid.weight", dtype, rank, rank, 3, 3)
            .Tensor(module + ".lora_up.weight", dtype, 7, rank, 1, 1);

    public AdapterSource Source() => new("a.safetensors", new MemorySource([.. _entries]) { Metadata = Metadata, Path = "a.safetensors" }, null, null);

    public Adapter Read() => Read(AdapterReadOptions.Default);

    public Adapter Read(AdapterReadOptions options)
    {
        AdapterSource source = Source() with { Options = options };
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
