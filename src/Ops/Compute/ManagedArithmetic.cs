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

        for (int i = 0; i < values.Length; i++)
        {
            if (!double.IsFinite(values[i])) throw FiniteValues.Refusal(tensor, first + i);
        }
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

    private sealed class Rows(SimdCompute compute, IPreparedProduct product) : IProductRows
    {
        public void Fill(long firstRow, int rows, Span<double> values) => compute.Multiply(product, firstRow, rows, values);

        public void Dispose() => product.Dispose();
    }
}
