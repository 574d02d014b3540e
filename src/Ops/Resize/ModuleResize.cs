using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Resize;

/// <summary>
/// One module at another rank k: B·A ≈ U[:, :k]·σ[:k]·V[:, :k]ᵀ, the nearest of that rank (Eckart and Young). The scale stays, so alpha
/// becomes scale · k. Shapes and element types are known before any value is.
/// </summary>
internal sealed class ModuleResize(LowRankDelta delta, FactorType type, FactorBalance balance, AlphaRule rule)
{
    public LowRankDelta Delta { get; } = delta;

    /// <summary>What the two factors take as they are.</summary>
    public long StoredBytes => Delta.Tensors.Sum(t => t.Shape.ElementCount * t.DType.Bytes());

    /// <summary>What the two factors take at a rank.</summary>
    public long Bytes(int rank) => Bytes(Delta.Down, DownShape(rank), rank) + Bytes(Delta.Up, UpShape(rank), rank);

    /// <summary>The module in the shapes and element types of a rank, without values.</summary>
    public LowRankDelta Shaped(int rank) => With(
        rank,
        new ComputedTensor(Delta.Down.Name, TypeAt(Delta.Down, rank), DownShape(rank), (_, bytes) => bytes.Clear()),
        new ComputedTensor(Delta.Up.Name, TypeAt(Delta.Up, rank), UpShape(rank), (_, bytes) => bytes.Clear()));

    /// <summary>The module at a rank: as it is, grown by zeros, or computed.</summary>
    public LowRankDelta At(int rank, ICompute compute)
    {
        if (rank == Delta.Rank) return Delta;
        if (rank > Delta.Rank) return With(rank, ZeroPadding.Pad(Delta.Down, DownShape(rank)), ZeroPadding.Pad(Delta.Up, UpShape(rank)));
        using ILowRankSvd svd = compute.Decompose(DeltaProduct.Of(Delta));
        int kept = Math.Min(rank, svd.SingularValues.Count);
        SingularVectors vectors = svd.Take(kept);
        (int rows, int columns) = ((int)Delta.OutFeatures, (int)Delta.InFeatures);
        // A rank above rows or columns is more than there are singular values: the rest stays zero.
        double[] up = new double[checked(rows * rank)];
        double[] down = new double[checked(rank * columns)];
        for (int k = 0; k < kept; k++)
        {
            double sigma = svd.SingularValues[k];
            (double left, double right) = balance switch
            {
                FactorBalance.B => (sigma, 1.0),
                FactorBalance.A => (1.0, sigma),
                _ => (Math.Sqrt(sigma), Math.Sqrt(sigma)),
            };
            for (int i = 0; i < rows; i++) up[(i * rank) + k] = left * vectors.Left[(i * kept) + k];
            for (int j = 0; j < columns; j++) down[(k * columns) + j] = right * vectors.Right[(j * kept) + k];
        }

        return With(rank, Store(Delta.Down, DownShape(rank), down, rank), Store(Delta.Up, UpShape(rank), up, rank));
    }

    private LowRankDelta With(int rank, TensorValue down, TensorValue up) =>
        Delta.With(down, up, Delta.Scale, rank == Delta.Rank ? Delta.Alpha : Delta.Scale * rule.Divisor(rank));

    private TensorValue Store(TensorValue source, TensorShape shape, double[] values, int rank) =>
        FactorStore.Store(source.Name, shape, values, TypeAt(source, rank), FactorType.Keep);

    private long Bytes(TensorValue source, TensorShape shape, int rank) => checked(shape.ElementCount * TypeAt(source, rank).Bytes());

    /// <summary>Factors that are carried over keep their type; of computed ones it depends on nothing but what was asked for.</summary>
    private DType TypeAt(TensorValue source, int rank) => rank >= Delta.Rank ? source.DType : type switch
    {
        FactorType.F32 => DType.F32,
        FactorType.F16 => DType.F16,
        FactorType.BF16 => DType.BF16,
        FactorType.Keep => source.DType,
        _ => Delta.Tensors.Any(t => t.DType == DType.F64) ? DType.F64 : DType.F32,
    };

    private TensorShape DownShape(int rank) => new([rank, .. Delta.Down.Shape.Sizes.AsSpan()[1..]]);

    private TensorShape UpShape(int rank) => new([Delta.OutFeatures, rank, .. Delta.Up.Shape.Sizes.AsSpan()[2..]]);
}
