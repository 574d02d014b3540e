using System.Buffers;
using System.Runtime.InteropServices;
using LoraKit.Formats;
using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Merge;

namespace LoraKit.Ops.Compute;

/// <summary>The arithmetic of contributions on the managed kernels: in F64, and the same bits for every width.</summary>
internal sealed class ManagedArithmetic : IContributionArithmetic
{
    private readonly SimdCompute _compute = new();

    /// <inheritdoc/>
    public double[] Read(TensorValue tensor) => FiniteValues.Require(tensor.ToDoubles(), tensor);

    /// <inheritdoc/>
    public void Read(TensorValue tensor, long first, Span<double> values)
    {
        int size = tensor.DType.Bytes();
        if (tensor.DType == DType.F64)
        {
            tensor.ReadBytes(first * size, MemoryMarshal.AsBytes(values));
        }
        else
        {
            byte[] bytes = ArrayPool<byte>.Shared.Rent(checked(values.Length * size));
            Span<byte> stored = bytes.AsSpan(0, values.Length * size);
            tensor.ReadBytes(first * size, stored);
            FloatConvert.ToDoubles(tensor.DType, stored, values);
            ArrayPool<byte>.Shared.Return(bytes);
        }

        FiniteValues.Require<double>(values, tensor, first);
    }

    /// <inheritdoc/>
    /// <exception cref="UnsupportedException">A factor does not fit in memory.</exception>
    public IProductRows Product(long rows, int columns, int rank, double[] left, double[] right)
    {
        if ((Int128)rows * rank > Array.MaxLength || (Int128)rank * columns > Array.MaxLength)
        {
            throw new UnsupportedException($"factors of [{rows}, {rank}] and [{rank}, {columns}] do not fit in memory");
        }

        return new Rows(_compute, _compute.Prepare(new LowRankProduct(rows, columns, rank, left, right)));
    }

    /// <inheritdoc/>
    public double Dot(ReadOnlySpan<double> x, ReadOnlySpan<double> y) => DotProduct.Of(x, y);

    /// <inheritdoc/>
    public SingularPart Singular(double[] matrix, int rows, int columns, int first, int count)
    {
        // The matrix is its product with the identity on its shorter side.
        int rank = Math.Min(rows, columns);
        double[] identity = new double[(long)rank * rank];
        for (int i = 0; i < rank; i++) identity[((long)i * rank) + i] = 1;
        LowRankProduct product = rows < columns ? new(rows, columns, rank, identity, matrix) : new(rows, columns, rank, matrix, identity);
        using ILowRankSvd svd = _compute.Decompose(product);
        SingularVectors vectors = svd.Take(first + count);
        double[] left = new double[rows * count], right = new double[count * columns];
        for (int i = 0; i < rows; i++) vectors.Left.AsSpan((i * vectors.Rank) + first, count).CopyTo(left.AsSpan(i * count));
        for (int k = 0; k < count; k++)
        {
            for (int j = 0; j < columns; j++) right[(k * columns) + j] = vectors.Right[(j * vectors.Rank) + first + k];
        }

        return new(left, [.. svd.SingularValues.Skip(first).Take(count)], right);
    }

    private sealed class Rows(SimdCompute compute, IPreparedProduct product) : IProductRows
    {
        public void Fill(long firstRow, int rows, Span<double> values) => compute.Multiply(product, firstRow, rows, values);

        public void Dispose() => product.Dispose();
    }
}
