using LoraKit.Ops.Compute;
using LoraKit.Ops.Compute.Svd;
using TorchSharp;

namespace LoraKit.Torch;

/// <summary>
/// Left = Q_l·R_l, Rightᵀ = Q_r·R_r, and the SVD of R_l·R_rᵀ; all on the device, in F64. Columns are brought to unit size by exact powers of
/// two beforehand, for LAPACK and cuSOLVER square them.
/// </summary>
internal sealed class TorchSvd : ILowRankSvd
{
    private readonly torch.Tensor _left;
    private readonly torch.Tensor _right;

    private TorchSvd(torch.Tensor left, torch.Tensor right, double[] singularValues)
    {
        (_left, _right) = (left, right);
        SingularValues = singularValues;
    }

    public IReadOnlyList<double> SingularValues { get; }

    /// <summary>Decomposes left·right; both in F64 and taken over.</summary>
    public static TorchSvd Of(torch.Tensor left, torch.Tensor right)
    {
        (torch.Tensor ql, torch.Tensor rl, int[] leftExponents) = Factored(left, "left");
        (torch.Tensor qr, torch.Tensor rr, int[] rightExponents) = Factored(right.t(), "right");
        int[] exponents = SvdRange.Terms(leftExponents, rightExponents, out int exponent);
        double[] terms = Array.ConvertAll(exponents, e => Math.ScaleB(1, e - exponent));
        torch.Tensor core = rl.mul(torch.tensor(terms, device: rl.device)).mm(rr.t());
        int common = core.numel() == 0 ? 0 : SvdRange.Exponent(core.abs().max().item<double>());
        (torch.Tensor u, torch.Tensor s, torch.Tensor vt) = torch.linalg.svd(Scaled(core, [-common]), fullMatrices: false);
        double[] singularValues = SvdRange.SingularValues(Values(s), exponent + common);
        return new TorchSvd(ql.mm(u).DetachFromDisposeScope(), qr.mm(vt.t()).DetachFromDisposeScope(), singularValues);
    }

    public SingularVectors Take(int rank)
    {
        ObjectDisposedException.ThrowIf(_left.IsInvalid, typeof(ILowRankSvd));
        ArgumentOutOfRangeException.ThrowIfNegative(rank);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rank, SingularValues.Count);
        using IDisposable scope = torch.NewDisposeScope();
        return new SingularVectors(rank, Values(_left.narrow(1, 0, rank)), Values(_right.narrow(1, 0, rank)));
    }

    public void Dispose()
    {
        _left.Dispose();
        _right.Dispose();
    }

    /// <summary>Q and R of a matrix whose columns are divided by 2^Exponents.</summary>
    private static (torch.Tensor Q, torch.Tensor R, int[] Exponents) Factored(torch.Tensor matrix, string factor)
    {
        double[] largest = Values(matrix.abs().amax([0]));
        if (!Array.TrueForAll(largest, double.IsFinite)) throw SvdRange.NotFinite(factor);
        int[] exponents = Array.ConvertAll(largest, SvdRange.Exponent);
        (torch.Tensor q, torch.Tensor r) = torch.linalg.qr(Scaled(matrix, Array.ConvertAll(exponents, e => -e)));
        return (q, r, exponents);
    }

    /// <summary>Columns (or all, for one exponent) times 2^exponents; in two steps, for a reciprocal may be out of range.</summary>
    private static torch.Tensor Scaled(torch.Tensor matrix, int[] exponents)
    {
        double[] first = Array.ConvertAll(exponents, e => e == -SvdRange.Nothing ? 1 : Math.ScaleB(1, e / 2));
        double[] second = Array.ConvertAll(exponents, e => e == -SvdRange.Nothing ? 1 : Math.ScaleB(1, e - (e / 2)));
        return matrix.mul(torch.tensor(first, device: matrix.device)).mul(torch.tensor(second, device: matrix.device));
    }

    private static double[] Values(torch.Tensor tensor) => tensor.numel() == 0 ? [] : tensor.contiguous().cpu().data<double>().ToArray();
}
