using System.Numerics;
using System.Runtime.InteropServices;

namespace LoraKit.Ops.Stack;

/// <summary>A matrix of doubles, row-major.</summary>
internal sealed record Matrix(int Rows, int Columns, double[] Values)
{
    public Matrix(int rows, int columns)
        : this(rows, columns, new double[checked(rows * columns)])
    {
    }

    public double this[int row, int column] => Values[(row * Columns) + column];

    public static Matrix Identity(int size)
    {
        Matrix identity = new(size, size);
        for (int i = 0; i < size; i++) identity.Values[(i * size) + i] = 1;
        return identity;
    }

    /// <summary>[first | second | …].</summary>
    public static Matrix Beside(IReadOnlyList<Matrix> parts)
    {
        Matrix all = new(parts[0].Rows, parts.Sum(part => part.Columns));
        int at = 0;
        foreach (Matrix part in parts)
        {
            for (int i = 0; i < part.Rows; i++) part.Row(i).CopyTo(all.Row(i)[at..]);
            at += part.Columns;
        }

        return all;
    }

    /// <summary>[first; second; …].</summary>
    public static Matrix Above(IReadOnlyList<Matrix> parts)
    {
        Matrix all = new(parts.Sum(part => part.Rows), parts[0].Columns);
        Span<double> rest = all.Values;
        foreach (Matrix part in parts)
        {
            part.Values.CopyTo(rest);
            rest = rest[part.Values.Length..];
        }

        return all;
    }

    public Span<double> Row(int row) => Values.AsSpan(row * Columns, Columns);

    public Matrix RowRange(int first, int count) => new(count, Columns, Values[(first * Columns)..((first + count) * Columns)]);

    public Matrix Transposed()
    {
        Matrix transposed = new(Columns, Rows);
        for (int i = 0; i < Rows; i++)
        {
            for (int j = 0; j < Columns; j++) transposed.Values[(j * Rows) + i] = this[i, j];
        }

        return transposed;
    }

    /// <summary>Every column times its own factor: X·diag(f).</summary>
    public Matrix ScaledColumns(ReadOnlySpan<double> factors)
    {
        Matrix scaled = new(Rows, Columns);
        for (int i = 0; i < Rows; i++)
        {
            for (int j = 0; j < Columns; j++) scaled.Values[(i * Columns) + j] = this[i, j] * factors[j];
        }

        return scaled;
    }

    /// <summary>X·Y, summed in order.</summary>
    public Matrix Times(Matrix other)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(other.Rows, Columns);
        Matrix product = new(Rows, other.Columns);
        for (int i = 0; i < Rows; i++)
        {
            Span<double> sum = product.Row(i);
            Span<Vector<double>> wide = MemoryMarshal.Cast<double, Vector<double>>(sum);
            for (int k = 0; k < Columns; k++)
            {
                double factor = this[i, k];
                if (factor == 0) continue;
                Span<double> row = other.Row(k);
                ReadOnlySpan<Vector<double>> wideRow = MemoryMarshal.Cast<double, Vector<double>>(row);
                for (int j = 0; j < wide.Length; j++) wide[j] += wideRow[j] * factor;
                for (int j = wide.Length * Vector<double>.Count; j < sum.Length; j++) sum[j] += row[j] * factor;
            }
        }

        return product;
    }
}
