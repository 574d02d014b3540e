using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Diff;

/// <summary>
/// What a difference is made of, summed in F64 over pieces. Pieces are added up in their order, so that the result does not depend on who compared which.
/// </summary>
internal sealed class DiffSums
{
    private const double Vanishing = 1e-290;

    // Bucket 0 is for zeros of two signs, bucket i + 1 for distances up to 2^i.
    private long[]? _histogram;
    private double _squaresA;
    private double _squaresB;
    private double _products;
    private double _squaresOfDifference;
    private double _maxAbs;
    private ulong _maxUlp;
    private bool _unmeasured;
    private bool _unmeasuredUlp;

    public long Count { get; private set; }

    public long Differing { get; private set; }

    public double? MaxAbs => _unmeasured ? null : _maxAbs;

    public ulong? MaxUlp => _unmeasuredUlp ? null : _maxUlp;

    public double? Relative
    {
        get
        {
            if (_unmeasured) return null;
            if (_maxAbs == 0) return 0;
            // Squares of tiny numbers vanish, those of huge ones overflow: no answer is better than a wrong one.
            double relative = Math.Sqrt(_squaresOfDifference) / Math.Sqrt(_squaresA);
            return _squaresOfDifference < Vanishing || !double.IsFinite(relative) ? null : relative;
        }
    }

    public double? Cosine
    {
        get
        {
            double cosine = _products / (Math.Sqrt(_squaresA) * Math.Sqrt(_squaresB));
            return _unmeasured || !double.IsFinite(cosine) ? null : Math.Clamp(cosine, -1, 1);
        }
    }

    public IReadOnlyDictionary<ulong, long> Histogram()
    {
        SortedDictionary<ulong, long> histogram = [];
        for (int i = 0; i < (_histogram?.Length ?? 0); i++)
        {
            if (_histogram![i] > 0) histogram.Add(i == 0 ? 0 : i > 64 ? ulong.MaxValue : 1UL << (i - 1), _histogram[i]);
        }

        return histogram;
    }

    public void Add(DiffSums other)
    {
        Count += other.Count;
        Differing += other.Differing;
        _squaresA += other._squaresA;
        _squaresB += other._squaresB;
        _products += other._products;
        _squaresOfDifference += other._squaresOfDifference;
        _maxAbs = Math.Max(_maxAbs, other._maxAbs);
        _maxUlp = Math.Max(_maxUlp, other._maxUlp);
        _unmeasured |= other._unmeasured;
        _unmeasuredUlp |= other._unmeasuredUlp;
        if (other._histogram is null) return;
        _histogram ??= new long[other._histogram.Length];
        for (int i = 0; i < _histogram.Length; i++)
        {
            _histogram[i] += other._histogram[i];
        }
    }

    /// <summary>Elements that have no numbers to compare: they are the same or they are not.</summary>
    public void AddPatterns(long count, long differing)
    {
        Count += count;
        Differing += differing;
        _unmeasured |= differing > 0;
        _unmeasuredUlp |= differing > 0;
    }

    /// <summary>Elements of one type, by value and by pattern.</summary>
    public void AddPatterns(DType dtype, ReadOnlySpan<byte> bytesA, ReadOnlySpan<byte> bytesB, ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        if (bytesA.SequenceEqual(bytesB))
        {
            AddEqual(a);
            return;
        }

        AddValues(a, b);
        switch (dtype.Bytes())
        {
            case 1:
                CountUlps(bytesA, bytesB, a, b);
                break;
            case 2:
                CountUlps(MemoryMarshal.Cast<byte, ushort>(bytesA), MemoryMarshal.Cast<byte, ushort>(bytesB), a, b);
                break;
            case 4:
                CountUlps(MemoryMarshal.Cast<byte, uint>(bytesA), MemoryMarshal.Cast<byte, uint>(bytesB), a, b);
                break;
            default:
                CountUlps(MemoryMarshal.Cast<byte, ulong>(bytesA), MemoryMarshal.Cast<byte, ulong>(bytesB), a, b);
                break;
        }
    }

    /// <summary>Elements as numbers: those that differ are unequal or NaN on one side.</summary>
    public void AddNumbers(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        AddValues(a, b);
        _unmeasuredUlp = true;
        for (int i = 0; i < a.Length; i++)
        {
            if (a[i] != b[i] && !(double.IsNaN(a[i]) && double.IsNaN(b[i]))) Differing++;
        }
    }

    private void AddEqual(ReadOnlySpan<double> values)
    {
        Count += values.Length;
        double squares = 0;
        foreach (double value in values)
        {
            if (double.IsFinite(value)) squares += value * value;
        }

        _squaresA += squares;
        _squaresB += squares;
        _products += squares;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddValues(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        Count += a.Length;
        Vector<double> squaresA = default, squaresB = default, products = default, squares = default, largest = default;
        int i = 0;
        for (; i <= a.Length - Vector<double>.Count; i += Vector<double>.Count)
        {
            Vector<double> x = new(a[i..]), y = new(b[i..]);
            Vector<double> difference = x - y;
            squaresA += x * x;
            squaresB += y * y;
            products += x * y;
            squares += difference * difference;
            largest = Vector.Max(largest, Vector.Abs(difference));
        }

        double max = 0;
        for (int lane = 0; lane < Vector<double>.Count; lane++)
        {
            max = Math.Max(max, largest[lane]);
        }

        (double sumA, double sumB, double product, double sum) = (Vector.Sum(squaresA), Vector.Sum(squaresB), Vector.Sum(products), Vector.Sum(squares));
        for (; i < a.Length; i++)
        {
            double difference = a[i] - b[i];
            sumA += a[i] * a[i];
            sumB += b[i] * b[i];
            product += a[i] * b[i];
            sum += difference * difference;
            max = Math.Max(max, Math.Abs(difference));
        }

        if (!double.IsFinite(sumA + sumB + sum))
        {
            AddSingly(a, b);
            return;
        }

        _squaresA += sumA;
        _squaresB += sumB;
        _products += product;
        _squaresOfDifference += sum;
        _maxAbs = Math.Max(_maxAbs, max);
    }

    /// <summary>The same where there is NaN or infinity: what both sides have alike counts for nothing, else there is no measure.</summary>
    private void AddSingly(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        for (int i = 0; i < a.Length; i++)
        {
            if (double.IsFinite(a[i]) && double.IsFinite(b[i]))
            {
                double difference = a[i] - b[i];
                _squaresA += a[i] * a[i];
                _squaresB += b[i] * b[i];
                _products += a[i] * b[i];
                _squaresOfDifference += difference * difference;
                _maxAbs = Math.Max(_maxAbs, Math.Abs(difference));
            }
            else if (!a[i].Equals(b[i]))
            {
                _unmeasured = true;
            }
        }
    }

    private void CountUlps<T>(ReadOnlySpan<T> bitsA, ReadOnlySpan<T> bitsB, ReadOnlySpan<double> a, ReadOnlySpan<double> b)
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        _histogram ??= new long[66];
        for (int i = 0; i < bitsA.Length; i++)
        {
            if (bitsA[i] == bitsB[i]) continue;
            Differing++;
            if (double.IsNaN(a[i]) || double.IsNaN(b[i]))
            {
                _unmeasured = true;
                _unmeasuredUlp = true;
                continue;
            }

            ulong distance = Ulps.Distance(bitsA[i], bitsB[i]);
            _maxUlp = Math.Max(_maxUlp, distance);
            _histogram[distance == 0 ? 0 : 65 - BitOperations.LeadingZeroCount(distance - 1)]++;
        }
    }
}
