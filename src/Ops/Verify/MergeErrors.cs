using LoraKit.Formats.Tensors;
using LoraKit.Ops.Diff;

namespace LoraKit.Ops.Verify;

/// <summary>How far part of a tensor is from what it should be.</summary>
internal sealed class MergeErrors
{
    private double _squaredChange;
    private double _squaredError;

    /// <summary>Elements looked at.</summary>
    public long Checked { get; private set; }

    /// <summary>Elements that are not the F64 result rounded to their type.</summary>
    public long Wrong { get; private set; }

    /// <summary>Wrong elements that rounding does not explain.</summary>
    public long Unexplained { get; private set; }

    /// <summary>How far the wrong ones are off at most; NaN, and what is no real number, is as far off as can be.</summary>
    public ulong MaxUlp { get; private set; }

    /// <summary>The first unexplained element, with what is there and what should be; −1 if there is none, and the values are null where they are no numbers.</summary>
    public (long Element, double? Found, double? Expected) First { get; private set; } = (-1, null, null);

    /// <summary>‖found − expected‖ / ‖expected − W‖, all rounded to the tensor's type: the part of the change that is wrong. 0 where nothing is.</summary>
    public double WrongPart => _squaredError == 0 ? 0 : Math.Sqrt(_squaredError) / Math.Sqrt(_squaredChange);

    public void Count(double squaredChange)
    {
        Checked++;
        if (double.IsFinite(squaredChange)) _squaredChange += squaredChange;
    }

    public void AddWrong(long element, double found, double expected, DType dtype, bool explained)
    {
        Wrong++;
        MaxUlp = Math.Max(MaxUlp, double.IsNaN(found) || double.IsNaN(expected) ? ulong.MaxValue : Ulps.Distance(dtype, found, expected));
        double error = found - expected;
        if (double.IsFinite(error)) _squaredError += error * error;
        if (explained) return;
        Unexplained++;
        if (First.Element < 0) First = (element, found, expected);
    }

    /// <summary>Elements that have to be the same to the bit, of any type.</summary>
    public void AddBytes(long first, int count, ReadOnlySpan<byte> expected, ReadOnlySpan<byte> found, DType dtype)
    {
        Checked += count;
        long differing = Patterns.CountDiffering(expected, found, dtype.Bits(), count);
        if (differing == 0) return;
        Wrong += differing;
        Unexplained += differing;
        MaxUlp = Math.Max(MaxUlp, Ulps.Largest(dtype, expected, found) ?? ulong.MaxValue);
        if (First.Element < 0) First = (first + (expected.CommonPrefixLength(found) * 8L / dtype.Bits()), null, null);
    }

    public void Add(MergeErrors other)
    {
        Checked += other.Checked;
        Wrong += other.Wrong;
        Unexplained += other.Unexplained;
        MaxUlp = Math.Max(MaxUlp, other.MaxUlp);
        _squaredChange += other._squaredChange;
        _squaredError += other._squaredError;
        if (First.Element < 0) First = other.First;
    }
}
