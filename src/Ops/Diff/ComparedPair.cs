using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Diff;

/// <summary>One name on both sides or on one of them, and how its elements are compared, piece by piece.</summary>
/// <param name="name">The name.</param>
internal abstract class ComparedPair(string name)
{
    public string Name { get; } = name;

    /// <summary>What is known before anything is read; <see cref="DiffStatus.Equal"/> where the elements decide.</summary>
    public abstract DiffStatus Known { get; }

    /// <summary>What <see cref="Known"/> is about.</summary>
    public virtual string? Detail => null;

    /// <summary>Whether there are elements on both sides that have a common measure.</summary>
    public abstract bool IsComparable { get; }

    /// <summary>How many elements are compared.</summary>
    public abstract long Elements { get; }

    /// <summary>Bytes that are read for an element.</summary>
    public abstract int ElementBytes { get; }

    /// <summary>How many elements a piece should have, given what it would have by default.</summary>
    public virtual long PieceElements(int preferred) => preferred;

    /// <summary>Compares elements [first, first + count).</summary>
    /// <param name="first">A multiple of the piece's size.</param>
    /// <param name="count">How many.</param>
    /// <param name="cancellation">Stops within a piece that takes long.</param>
    public abstract DiffSums Compare(long first, long count, CancellationToken cancellation);

    /// <summary>What it comes to.</summary>
    public TensorDifference Result(DiffSums sums)
    {
        return new TensorDifference
        {
            Name = Name,
            Status = Known == DiffStatus.Equal && sums.Differing > 0 ? DiffStatus.Different : Known,
            Detail = Detail,
            MaxAbs = IsComparable ? sums.MaxAbs : null,
            Relative = IsComparable ? sums.Relative : null,
            MaxUlp = IsComparable ? sums.MaxUlp : null,
            Cosine = IsComparable ? sums.Cosine : null,
            Differing = sums.Differing,
            Count = sums.Count,
            UlpHistogram = sums.Histogram(),
        };
    }
}

/// <summary>A name that one side has.</summary>
internal sealed class OneSidedPair(string name, bool inA) : ComparedPair(name)
{
    public override DiffStatus Known => inA ? DiffStatus.OnlyInA : DiffStatus.OnlyInB;

    public override bool IsComparable => false;

    public override long Elements => 0;

    public override int ElementBytes => 0;

    public override DiffSums Compare(long first, long count, CancellationToken cancellation) => new();
}

/// <summary>Two stored tensors.</summary>
internal sealed class StoredPair(string name, TensorValue a, TensorValue b, bool sameRows = true) : ComparedPair(name)
{
    private readonly bool _shapesAgree = a.Shape == b.Shape && sameRows;
    private readonly bool _haveNumbers = a.DType.IsMergeable() && b.DType.IsMergeable();

    public override DiffStatus Known => !_shapesAgree ? DiffStatus.Shape : a.DType != b.DType ? DiffStatus.DType : DiffStatus.Equal;

    public override string? Detail => Known switch
    {
        DiffStatus.Shape => sameRows ? $"{a.Shape} and {b.Shape}" : "other rows are replaced",
        DiffStatus.DType => $"{a.DType.FileName()} and {b.DType.FileName()}",
        _ => null,
    };

    public override bool IsComparable => _shapesAgree && (_haveNumbers || a.DType == b.DType);

    public override long Elements => IsComparable ? a.Shape.ElementCount : 0;

    public override int ElementBytes => (a.DType.Bits() + b.DType.Bits() + 7) / 8;

    public override DiffSums Compare(long first, long count, CancellationToken cancellation)
    {
        using PieceBuffers buffers = new(checked((int)count));
        Span<byte> bytesA = Read(a, first, buffers.BytesA, count), bytesB = Read(b, first, buffers.BytesB, count);
        DiffSums sums = new();
        if (!_haveNumbers)
        {
            sums.AddPatterns(count, Patterns.CountDiffering(bytesA, bytesB, a.DType.Bits(), count));
            return sums;
        }

        Span<double> valuesA = buffers.ValuesA, valuesB = buffers.ValuesB;
        FloatConvert.ToDoubles(a.DType, bytesA, valuesA);
        FloatConvert.ToDoubles(b.DType, bytesB, valuesB);
        if (a.DType == b.DType) sums.AddPatterns(a.DType, bytesA, bytesB, valuesA, valuesB);
        else sums.AddNumbers(valuesA, valuesB);
        return sums;
    }

    // A piece begins at a multiple of 8 elements, which is a whole byte for every type.
    private static Span<byte> Read(TensorValue tensor, long first, Span<byte> buffer, long count)
    {
        Span<byte> bytes = buffer[..(int)(((count * tensor.DType.Bits()) + 7) / 8)];
        tensor.ReadBytes(first * tensor.DType.Bits() / 8, bytes);
        return bytes;
    }
}
