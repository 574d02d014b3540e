namespace LoraKit.Ops.Resize;

/// <summary>The singular values of one module's B·A, and what is lost by keeping the first k of them. Held relative to the largest: nothing overflows.</summary>
internal sealed class Spectrum
{
    private readonly double[] _values;
    private readonly double[] _tail;

    /// <param name="singularValues">All of them, descending.</param>
    public Spectrum(IReadOnlyList<double> singularValues)
    {
        Largest = singularValues.Count == 0 ? 0 : singularValues[0];
        _values = [.. singularValues.Select(v => Largest == 0 ? 0 : v / Largest)];
        // From the small end, so that the tails are as exact as the values.
        _tail = new double[_values.Length + 1];
        for (int i = _values.Length - 1; i >= 0; i--) _tail[i] = _tail[i + 1] + (_values[i] * _values[i]);
    }

    /// <summary>How many there are: the smallest of rank, rows and columns.</summary>
    public int Count => _values.Length;

    /// <summary>σ₀.</summary>
    public double Largest { get; }

    /// <summary>σ/σ₀, descending; zeros where σ₀ is 0.</summary>
    public ReadOnlySpan<double> Relative => _values;

    /// <summary>Σσ²[k:]/σ₀².</summary>
    public double Tail(int rank) => _tail[Math.Min(rank, Count)];

    /// <summary>Σσ²[:k]/Σσ²; 1 of an update that is zero.</summary>
    public double EnergyKept(int rank) => _tail[0] == 0 ? 1 : 1 - (Tail(rank) / _tail[0]);

    /// <summary>√(Σσ²[k:]/Σσ²): the relative Frobenius error of keeping k.</summary>
    public double RelativeError(int rank) => _tail[0] == 0 ? 0 : Math.Sqrt(Tail(rank) / _tail[0]);
}
