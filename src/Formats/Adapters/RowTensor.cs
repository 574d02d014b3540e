using System.Runtime.InteropServices;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>Makes one row of a <see cref="RowTensor"/>.</summary>
/// <param name="row">Which, along the first dimension.</param>
/// <param name="values">To be filled to its end.</param>
internal delegate void RowMaker(long row, Span<double> values);

/// <summary>A factor that no file stores, in F64, its rows made when they are asked for.</summary>
internal class RowTensor : TensorValue
{
    private readonly int _width;
    private readonly Func<RowMaker> _begin;

    /// <param name="name">A name that tells where it came from.</param>
    /// <param name="shape">The sizes; at least one row, each no longer than an array (see <see cref="Fits"/>).</param>
    /// <param name="parts">The stored tensors it is made of.</param>
    /// <param name="begin">Reads what all rows share, for as long as one read takes.</param>
    public RowTensor(string name, TensorShape shape, IReadOnlyList<TensorValue> parts, Func<RowMaker> begin)
        : base(name, DType.F64, shape) => (Parts, _begin, _width) = (parts, begin, checked((int)(shape.ElementCount / shape[0])));

    /// <inheritdoc/>
    public override string? File => Parts[0].File;

    /// <inheritdoc/>
    internal override IReadOnlyList<TensorValue> Parts { get; }

    /// <summary>Whether a tensor of these sizes has no more elements than an array.</summary>
    public static bool Fits(params ReadOnlySpan<long> sizes)
    {
        UInt128 elements = 1;
        foreach (long size in sizes)
        {
            elements *= (UInt128)size;
            if (elements > (UInt128)Array.MaxLength) return false;
        }

        return true;
    }

    /// <inheritdoc/>
    public override void ReadBytes(long start, Span<byte> destination)
    {
        RowMaker make = _begin();
        double[] row = new double[_width];
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes<double>(row);
        for (long o = start / bytes.Length; o * bytes.Length < start + destination.Length; o++)
        {
            make(o, row);
            long from = Math.Max(start, o * bytes.Length);
            long to = Math.Min(start + destination.Length, (o + 1) * bytes.Length);
            bytes[(int)(from - (o * bytes.Length))..(int)(to - (o * bytes.Length))].CopyTo(destination[(int)(from - start)..]);
        }
    }
}
