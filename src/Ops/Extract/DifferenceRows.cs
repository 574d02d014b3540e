using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using LoraKit.Formats;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute.Randomized;

namespace LoraKit.Ops.Extract;

/// <summary>tuned − base as a matrix, row by row: both decoded exactly, subtracted in F64.</summary>
internal sealed class DifferenceRows(TensorValue @base, TensorValue tuned) : IRowSource
{
    /// <summary>Values that are decoded at once: they stay in the first-level cache.</summary>
    private const int Piece = 1024;

    public long Rows => tuned.Shape.AsMatrix().Rows;

    public int Columns { get; } = RequireColumns(tuned);

    /// <summary>Whether any element differs; NaN differs from everything.</summary>
    public bool Any(CancellationToken cancellation)
    {
        int rows = (int)Math.Clamp((1 << 18) / Math.Max(1, Columns), 1, Math.Max(1, Rows));
        double[] values = new double[rows * Columns];
        for (long first = 0; first < Rows; first += rows)
        {
            cancellation.ThrowIfCancellationRequested();
            Span<double> now = values.AsSpan(0, (int)Math.Min(rows, Rows - first) * Columns);
            ReadRows(first, now.Length / Math.Max(1, Columns), now, Columns);
            if (now.ContainsAnyExcept(0.0)) return true;
        }

        return false;
    }

    public void ReadRows(long first, int count, Span<double> destination, int stride)
    {
        int tunedRow = Columns * tuned.DType.Bytes(), baseRow = Columns * @base.DType.Bytes();
        byte[] buffer = ArrayPool<byte>.Shared.Rent(checked(count * (tunedRow + baseRow)));
        try
        {
            Span<byte> tunedBytes = buffer.AsSpan(0, count * tunedRow), baseBytes = buffer.AsSpan(tunedBytes.Length, count * baseRow);
            tuned.ReadBytes(first * tunedRow, tunedBytes);
            @base.ReadBytes(first * baseRow, baseBytes);
            for (int i = 0; i < count; i++)
            {
                Subtract(tunedBytes.Slice(i * tunedRow, tunedRow), baseBytes.Slice(i * baseRow, baseRow), destination.Slice(i * stride, Columns));
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    // A row of both, in the widest types, is one array.
    private static int RequireColumns(TensorValue tensor)
    {
        long columns = tensor.Shape.AsMatrix().Columns;
        return columns <= Array.MaxLength / (2 * sizeof(double)) ? (int)columns : throw new UnsupportedException(
            $"{Printable.Text(tensor.File ?? "memory")}: tensor '{Printable.Text(tensor.Name)}' {tensor.Shape} has rows of {columns} elements, more than fit in memory; --exclude it",
            tensor.File, tensor.Name);
    }

    [SkipLocalsInit]
    private void Subtract(ReadOnlySpan<byte> tunedBytes, ReadOnlySpan<byte> baseBytes, Span<double> destination)
    {
        bool wide = tuned.DType == DType.F64 || @base.DType == DType.F64;
        Span<double> space = stackalloc double[Piece];
        while (!destination.IsEmpty)
        {
            Span<double> now = destination[..Math.Min(Piece, destination.Length)];
            ReadOnlySpan<byte> left = tunedBytes[..(now.Length * tuned.DType.Bytes())], right = baseBytes[..(now.Length * @base.DType.Bytes())];
            if (wide)
            {
                FloatConvert.ToDoubles(tuned.DType, left, now);
                FloatConvert.ToDoubles(@base.DType, right, space[..now.Length]);
                for (int i = 0; i < now.Length; i++) now[i] -= space[i];
            }
            else
            {
                Span<float> singles = MemoryMarshal.Cast<double, float>(space);
                Span<float> one = singles[..now.Length], two = singles.Slice(Piece, now.Length);
                FloatConvert.ToSingles(tuned.DType, left, one);
                FloatConvert.ToSingles(@base.DType, right, two);
                Subtract(one, two, now);
            }

            tunedBytes = tunedBytes[left.Length..];
            baseBytes = baseBytes[right.Length..];
            destination = destination[now.Length..];
        }
    }

    private static void Subtract(ReadOnlySpan<float> one, ReadOnlySpan<float> two, Span<double> difference)
    {
        int lanes = Vector256<float>.Count;
        int i = 0;
        for (; i <= difference.Length - lanes; i += lanes)
        {
            (Vector256<double> low, Vector256<double> high) = Vector256.Widen(Vector256.Create(one.Slice(i, lanes)));
            (Vector256<double> lowOther, Vector256<double> highOther) = Vector256.Widen(Vector256.Create(two.Slice(i, lanes)));
            (low - lowOther).CopyTo(difference[i..]);
            (high - highOther).CopyTo(difference[(i + (lanes / 2))..]);
        }

        for (; i < difference.Length; i++) difference[i] = (double)one[i] - two[i];
    }
}
