namespace LoraKit.Models;

/// <summary>Seeded normal values, fast: a table of quantiles, visited by a xorshift generator.</summary>
internal sealed class Gaussian
{
    private readonly float[] _table = new float[1 << 16];
    private ulong _state;

    public Gaussian(double deviation, ulong seed)
    {
        Random random = new(12345);
        for (int i = 0; i < _table.Length; i++)
        {
            double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            _table[i] = (float)(deviation * radius * Math.Cos(2 * Math.PI * random.NextDouble()));
        }

        _state = (seed * 0x9E3779B97F4A7C15UL) | 1;
    }

    public void Fill(Span<float> values)
    {
        ulong state = _state;
        for (int i = 0; i < values.Length; i++)
        {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            values[i] = _table[state >> 48];
        }

        _state = state;
    }
}
