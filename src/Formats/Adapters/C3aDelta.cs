using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// C3A: a block-circulant update, ΔW[m·b + t, n·b + s] = kernel[m, n, (s − t) mod b] / in. Source: circular convolution adaptation
/// (arXiv 2407.19342); PEFT. See spec/algebra.md, "C3A".
/// </summary>
public sealed class C3aDelta : AdapterDelta
{
    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="kernel">[out/b, in/b, b].</param>
    /// <exception cref="InvalidAdapterException">The kernel has no real values, or another shape.</exception>
    public C3aDelta(ParameterName target, TensorValue kernel)
        : base(target)
    {
        RequireValues(target, kernel);
        bool blocks = kernel.Shape.Rank == 3 && RowTensor.Fits(kernel.Shape[1], kernel.Shape[2]) && RowTensor.Fits(kernel.Shape[0], kernel.Shape[2]);
        if (!blocks) throw Unfit(target, kernel, $"c3a_kernel is {kernel.Shape}; expected [out/b, in/b, b]");
        Kernel = kernel;
    }

    /// <inheritdoc/>
    public override string Kind => "c3a";

    /// <summary>[out/b, in/b, b].</summary>
    public TensorValue Kernel { get; }

    /// <inheritdoc/>
    public override TensorShape? Shape => new TensorShape(Kernel.Shape[0] * Kernel.Shape[2], Kernel.Shape[1] * Kernel.Shape[2]);

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => [Kernel];

    /// <inheritdoc/>
    internal override IContribution Prepare(ContributionContext context) => new Contribution(Kernel, (int)Kernel.Shape[2], context.Columns, context.Arithmetic);

    private sealed class Contribution(TensorValue kernel, int block, int columns, IContributionArithmetic arithmetic) : IContribution
    {
        public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum)
        {
            using RowBuffer kernels = new(columns);
            double factor = weight / columns;
            for (int i = 0; i < rows; i++)
            {
                (long blockRow, int turn) = ((firstRow + i) / block, (int)((firstRow + i) % block));
                if (i == 0 || turn == 0) arithmetic.Read(kernel, blockRow * columns, kernels.Values);
                for (int column = 0; column < columns; column += block)
                {
                    ReadOnlySpan<double> circle = kernels.Values.Slice(column, block);
                    Span<double> row = sum.Slice((i * columns) + column, block);
                    RowLoops.AddScaled(circle[..(block - turn)], factor, row[turn..]);
                    RowLoops.AddScaled(circle[(block - turn)..], factor, row);
                }
            }
        }

        /// <summary>PEFT goes by way of a Fourier transform of each block, whose rounding spreads over the block.</summary>
        public void AddTerms(long firstRow, int rows, double weight, Span<double> sum)
        {
            using RowBuffer kernels = new(columns);
            for (int i = 0; i < rows; i++)
            {
                if (i == 0 || (firstRow + i) % block == 0) arithmetic.Read(kernel, (firstRow + i) / block * columns, kernels.Values);
                for (int column = 0; column < columns; column += block)
                {
                    double bound = RowLoops.Norm(kernels.Values.Slice(column, block)) * Math.Abs(weight / columns);
                    foreach (ref double value in sum.Slice((i * columns) + column, block))
                    {
                        value += bound;
                    }
                }
            }
        }

        public void Dispose()
        {
        }
    }
}
