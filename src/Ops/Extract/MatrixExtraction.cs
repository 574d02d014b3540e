using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Compute.Randomized;
using LoraKit.Ops.Targets;
using LoraKit.Ops.Verify;

namespace LoraKit.Ops.Extract;

/// <summary>A matrix's update.</summary>
/// <param name="Delta">The factors, at scale 1.</param>
/// <param name="Report">How good it is.</param>
/// <param name="Residual">‖ΔW − B·A‖²_F with the factors as they are stored.</param>
/// <param name="Energy">‖ΔW‖²_F.</param>
internal sealed record ExtractedMatrix(LowRankDelta Delta, ExtractedModule Report, double Residual, double Energy);

/// <summary>ΔW ≈ (U·√σ)·(√σ·Vᵀ): B and A, with the singular values spread evenly over both.</summary>
internal sealed class MatrixExtraction(
    RandomizedSvdOptions options, FactorType elementType, BiasOrientations orientations, ICompute compute, CancellationToken cancellation)
{
    /// <returns>Null where nothing differs but the signs of zeros.</returns>
    /// <exception cref="NonFiniteException">A model holds NaN, infinity or too large a value.</exception>
    public ExtractedMatrix? Run(TensorPair pair)
    {
        DifferenceRows difference = pair.Difference;
        ApproximateSvd svd = Decompose(pair, difference);
        if (svd.Rank == 0) return null;
        (int rows, int columns, int rank) = ((int)difference.Rows, difference.Columns, svd.Rank);
        (double[] left, double[] right) = (BalancedFactors.Of(svd.Left, svd.SingularValues), BalancedFactors.Of(svd.Right, svd.SingularValues));

        // ΔW is left·rightᵀ as it is stored, so a base that stores Wᵀ has B and A change places.
        bool isInOut = pair.Tuned.Shape.Rank == 2 && pair.Role != TensorRole.Embedding && orientations.IsInOut(pair.Target.Module.Leaf) == true;
        long[] ones = [.. Enumerable.Repeat(1L, pair.Tuned.Shape.Rank - 2)];
        TensorShape upShape = isInOut ? new(columns, rank) : new([rows, rank, .. ones]);
        TensorShape downShape = isInOut ? new(rank, rows) : new([rank, .. pair.Tuned.Shape.Sizes[1..]]);
        DType source = pair.Base.DType == DType.F64 ? DType.F64 : pair.Tuned.DType;
        string module = pair.Target.Module.Path;
        ComputedTensor up = FactorStore.Store($"{module}.up", upShape, isInOut ? right : left, source, elementType);
        ComputedTensor down = FactorStore.Store(
            $"{module}.down", downShape, BalancedFactors.Transposed(isInOut ? left : right, isInOut ? rows : columns, rank), source, elementType);
        (double residual, double energy) = RandomizedSvd.Compare(
            difference,
            isInOut ? BalancedFactors.Transposed(down.ToDoubles(), rank, rows) : up.ToDoubles(),
            isInOut ? BalancedFactors.Transposed(up.ToDoubles(), columns, rank) : down.ToDoubles(),
            options, cancellation);
        double error = Math.Sqrt(residual / energy);
        WeightOrientation orientation = isInOut ? WeightOrientation.InOut : WeightOrientation.OutIn;
        LowRankDelta delta = new(pair.Target, down, up, scale: 1, alpha: rank, orientation, isInOut) { IsEmbedding = pair.Role == TensorRole.Embedding };
        return new(delta, new(pair.Name, rank, 1 - (error * error), error), residual, energy);
    }

    private ApproximateSvd Decompose(TensorPair pair, DifferenceRows difference)
    {
        try
        {
            return RandomizedSvd.Run(difference, options, compute, cancellation);
        }
        catch (NonFiniteException)
        {
            NonFiniteTensor? culprit = NonFiniteScan.Run([pair.Base, pair.Tuned], options.Threads, progress: null, cancellation).Found.FirstOrDefault();
            throw culprit is null
                ? NonFinite(pair.Tuned, "differs from the base by values whose squares are beyond the range of F64")
                : NonFinite((StoredTensor)culprit.Tensor, $"holds NaN or infinity, first at element {culprit.First}");
        }
    }

    public static NonFiniteException NonFinite(StoredTensor tensor, string what) => new(
        $"{Printable.Text(tensor.File!)}: tensor '{Printable.Text(tensor.Name)}' {what}; expected finite values: repair the model, or --exclude the tensor",
        tensor.File, tensor.Name);
}
