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

    /// <summary>What the factors take as they are stored.</summary>
    public long StoredBytes => StoredSize.Of(Delta);

    /// <summary>What the factors take at a rank up to the present one.</summary>
    public long Bytes(int rank) => rank == Delta.Rank ? StoredBytes : checked(
        (FactorShapes.Down(Delta, rank).ElementCount * DownType.Bytes()) + (FactorShapes.Up(Delta, rank).ElementCount * UpType.Bytes()));

    /// <summary>The element type of a computed A.</summary>
    public DType DownType => Computed(Delta.Tensors.Where(t => t != Delta.Up).MaxBy(t => t.DType.Bits())!);

    private DType UpType => Computed(Delta.Up);

    /// <summary>Whether the module's factors at a rank have to be computed; else they are as they are, or grown by zeros.</summary>
    public bool IsComputed(int rank) => rank < Delta.Rank;

    /// <summary>The module in the shapes and element types of a rank; factors that are computed are had when their values are asked for.</summary>
    public LowRankDelta At(int rank, Func<LowRankDelta> computed) => !IsComputed(rank) ? Grown(rank) : With(
        rank,
        new ComputedTensor(Delta.Down.Name, DownType, FactorShapes.Down(Delta, rank), (start, bytes) => computed().Down.ReadBytes(start, bytes)),
        new ComputedTensor(Delta.Up.Name, UpType, FactorShapes.Up(Delta, rank), (start, bytes) => computed().Up.ReadBytes(start, bytes)));

    /// <summary>The module at a lower rank.</summary>
    public LowRankDelta Truncated(int rank, ICompute compute)
    {
        using ILowRankSvd svd = DeltaProduct.Decompose(Delta, compute);
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

        return With(
            rank,
            FactorStore.Store(Delta.Down.Name, FactorShapes.Down(Delta, rank), down, DownType, FactorType.Keep),
            FactorStore.Store(Delta.Up.Name, FactorShapes.Up(Delta, rank), up, UpType, FactorType.Keep));
    }

    /// <summary>Zeros change nothing: the factors keep their element types, and a Tucker core its form.</summary>
    private LowRankDelta Grown(int rank)
    {
        if (rank == Delta.Rank) return Delta;
        TensorValue up = ZeroPadding.Pad(Delta.Up, FactorShapes.Up(Delta, rank));
        return Delta.Down is TuckerDown folded
            ? Delta.With(TuckerDown.Of(Delta.Target, folded.Down, ZeroPadding.Pad(folded.Mid, FactorShapes.Rows(folded.Mid, rank))), up, Delta.Scale, Delta.Alpha)
            : With(rank, ZeroPadding.Pad(Delta.Down, FactorShapes.Down(Delta, rank)), up);
    }

    private LowRankDelta With(int rank, TensorValue down, TensorValue up) => Delta.With(down, up, Delta.Scale, Delta.Scale * rule.Divisor(rank));

    /// <summary>The type of a computed factor depends on nothing but what was asked for, so that sizes are known before values.</summary>
    private DType Computed(TensorValue source) => type switch
    {
        FactorType.F32 => DType.F32,
        FactorType.F16 => DType.F16,
        FactorType.BF16 => DType.BF16,
        FactorType.Keep => source.DType,
        _ => Delta.Tensors.Any(t => t.DType == DType.F64) ? DType.F64 : DType.F32,
    };
}
