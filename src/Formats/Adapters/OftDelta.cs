using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Adapters.Orthogonal;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// OFT: W' = W · Rᵀ with a block-diagonal rotation R of the inputs (an embedding's W' = W · R); ΔW = W' − W. Each block is made of a
/// skew-symmetric Q, of which the strict upper triangle is stored. Source: arXiv 2306.07280; PEFT since 0.16. See spec/algebra.md, "OFT".
/// </summary>
public sealed class OftDelta : AdapterDelta
{
    private readonly OftParametrization _parametrization;

    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="triangles">[blocks, size·(size − 1)/2].</param>
    /// <param name="parametrization">How blocks are made of them.</param>
    /// <param name="isEmbedding">Whether the rows themselves are rotated: W · R.</param>
    /// <exception cref="InvalidAdapterException">The tensor is no list of triangles of real numbers.</exception>
    public OftDelta(ParameterName target, TensorValue triangles, OftParametrization parametrization, bool isEmbedding = false)
        : base(target)
    {
        RequireValues(target, triangles);
        int? size = triangles.Shape.Rank == 2 ? SkewSymmetric.SizeOf(triangles.Shape[1]) : null;
        BlockSize = size ?? throw Unfit(target, triangles, $"{triangles.Name} is {triangles.Shape}; expected [blocks, b(b − 1)/2] for a block size b");
        if (parametrization.IsShared && triangles.Shape[0] != 1) throw Unfit(target, triangles, $"{triangles.Name} is {triangles.Shape}, but the block is shared; expected one");
        (Triangles, _parametrization, IsEmbedding) = (triangles, parametrization, isEmbedding);
    }

    /// <inheritdoc/>
    public override string Kind => "oft";

    /// <summary>The strict upper triangles of Q: [blocks, size·(size − 1)/2].</summary>
    public TensorValue Triangles { get; }

    /// <summary>Rows and columns of a block.</summary>
    public int BlockSize { get; }

    /// <inheritdoc/>
    public override TensorShape? Shape => null;

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => [Triangles];

    /// <inheritdoc/>
    public override bool NeedsBase => true;

    /// <inheritdoc/>
    internal override bool MixesInputs => true;

    /// <inheritdoc/>
    internal override string Wanted => _parametrization.IsShared ? $"[out, a multiple of {BlockSize}]" : $"[out, {Triangles.Shape[0]} · {BlockSize}]";

    /// <inheritdoc/>
    internal override bool Fits(TensorShape weight)
    {
        if (weight.Rank < 2) return false;
        long columns = weight.AsMatrix().Columns;
        return columns % BlockSize == 0 && (_parametrization.IsShared || columns / BlockSize == Triangles.Shape[0]);
    }

    /// <inheritdoc/>
    internal override IContribution Prepare(ContributionContext context)
    {
        double[] triangles = context.Read(Triangles);
        int values = (int)Triangles.Shape[1], count = triangles.Length / values;
        if ((Int128)count * BlockSize * BlockSize > Array.MaxLength) throw Unfit(Target, Triangles, $"{count} blocks of {BlockSize} × {BlockSize} do not fit in memory");
        double[] blocks = new double[count * BlockSize * BlockSize];
        for (int k = 0; k < count; k++)
        {
            double[] skew = SkewSymmetric.FromUpperTriangle(triangles.AsSpan(k * values, values), BlockSize);
            if (_parametrization.Constraint is { } constraint) Shorten(skew, constraint / Math.Sqrt(count));
            // Row by row a rotation of the inputs is a product with Rᵀ, which is R of −Q = Qᵀ, whichever the series.
            Rotation(IsEmbedding ? skew : Cayley.Transpose(skew, BlockSize)).CopyTo(blocks.AsSpan(k * BlockSize * BlockSize));
        }

        return new RotatedRows(context.Columns, new BlockDiagonal(blocks, BlockSize));
    }

    private double[] Rotation(double[] skew) => _parametrization.Series switch
    {
        OftSeries.Cayley => Cayley.Rotation(skew, BlockSize),
        OftSeries.Neumann => Cayley.Neumann(skew, BlockSize, _parametrization.Terms),
        _ => Cayley.DoubledNeumann(skew, BlockSize, _parametrization.Terms),
    };

    private static void Shorten(double[] skew, double longest)
    {
        double length = Math.Sqrt(RowLoops.Dot(skew, skew));
        if (length <= longest) return;
        for (int i = 0; i < skew.Length; i++)
        {
            skew[i] = longest * (skew[i] / length);
        }
    }

    private sealed class RotatedRows(int columns, BlockDiagonal rotation) : IContribution
    {
        public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum)
        {
            int strip = Math.Min(rows, RowLoops.StripRows(columns));
            using RowBuffer buffer = new(strip * columns);
            for (int row = 0; row < rows; row += strip)
            {
                Range values = (row * columns)..(Math.Min(row + strip, rows) * columns);
                ReadOnlySpan<double> before = @base[values];
                Span<double> rotated = buffer.Values[..before.Length];
                rotation.Multiply(before, columns, rotated);
                RowLoops.AddScaledDifference(rotated, before, weight, sum[values]);
            }
        }

        public void Dispose()
        {
        }
    }
}
