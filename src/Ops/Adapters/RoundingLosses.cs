using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Adapters;

/// <summary>What a narrower element type takes from small values: counted while they are rounded, from any thread.</summary>
internal sealed class RoundingLosses
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, long> _tensors = [];

    /// <summary>Values other than 0 that became 0.</summary>
    public long Flushed { get; private set; }

    /// <summary>Values that lost digits because they are stored below the type's normal range.</summary>
    public long Subnormal { get; private set; }

    /// <summary>Counts a piece of a tensor.</summary>
    /// <param name="name">What messages call the tensor.</param>
    /// <param name="type">What it was rounded to.</param>
    /// <param name="before">The values.</param>
    /// <param name="rounded">They, as they are stored.</param>
    public void Add(string name, DType type, ReadOnlySpan<double> before, ReadOnlySpan<byte> rounded)
    {
        double normal = SmallestNormal(type);
        (long flushed, long subnormal) = (0, 0);
        int size = type.Bytes();
        Span<double> after = stackalloc double[1];
        for (int i = 0; i < before.Length; i++)
        {
            if (before[i] == 0 || !(Math.Abs(before[i]) < normal)) continue;
            FloatConvert.ToDoubles(type, rounded.Slice(i * size, size), after);
            if (after[0] == 0) flushed++;
            else if (after[0] != before[i]) subnormal++;
        }

        if (flushed + subnormal == 0) return;
        lock (_lock)
        {
            Flushed += flushed;
            Subnormal += subnormal;
            _tensors[name] = _tensors.GetValueOrDefault(name) + flushed + subnormal;
        }
    }

    /// <summary>What the user should know; null where nothing was lost.</summary>
    public string? Warning => Flushed + Subnormal == 0 ? null
        : $"the element type is too narrow for small values: {Flushed} became 0, and {Subnormal} lost digits, most in "
            + $"{Printable.Text(_tensors.OrderByDescending(t => t.Value).ThenBy(t => t.Key, StringComparer.Ordinal).First().Key)}; --dtype bf16 or f32 has room for them";

    private static double SmallestNormal(DType type) => type switch
    {
        DType.F16 => Math.ScaleB(1, -14),
        DType.F32 or DType.BF16 => Math.ScaleB(1, -126),
        DType.F64 => Math.ScaleB(1, -1022),
        DType.F8E5M2 => Math.ScaleB(1, -14),
        DType.F8E4M3 => Math.ScaleB(1, -6),
        _ => 0,
    };
}
