using BenchmarkDotNet.Attributes;
using LoraKit.Formats.Tensors;

namespace LoraKit.Bench;

/// <summary>Decoding and encoding of four million elements, against a plain copy of the singles.</summary>
[MinColumn]
public class FloatConvertBenchmark
{
    private const int Count = 1 << 22;

    private readonly float[] _singles = new float[Count];
    private readonly float[] _copy = new float[Count];
    private byte[] _stored = [];

    [Params(DType.BF16, DType.F16, DType.F8E4M3)]
    public DType Type { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        Random random = new(1);
        _stored = new byte[Count * Type.Bytes()];
        for (int i = 0; i < Count; i++)
        {
            _singles[i] = random.NextSingle() - 0.5f;
        }
    }

    [Benchmark(Baseline = true)]
    public void Copy() => _singles.CopyTo(_copy, 0);

    [Benchmark]
    public void Encode() => FloatConvert.FromSingles(Type, _singles, _stored);

    [Benchmark]
    public void Decode() => FloatConvert.ToSingles(Type, _stored, _copy);
}
