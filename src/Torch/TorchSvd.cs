using LoraKit.Ops.Compute;
using TorchSharp;

namespace LoraKit.Torch;

/// <summary>Left = Q_l·R_l, Rightᵀ = Q_r·R_r, and the SVD of R_l·R_rᵀ; all on the device, in F64.</summary>
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

    public static TorchSvd Of(torch.Tensor left, torch.Tensor right)
    {
        (torch.Tensor ql, torch.Tensor rl) = torch.linalg.qr(left);
        (torch.Tensor qr, torch.Tensor rr) = torch.linalg.qr(right.t());
        (torch.Tensor u, torch.Tensor s, torch.Tensor vt) = torch.linalg.svd(rl.mm(rr.t()), fullMatrices: false);
        return new TorchSvd(ql.mm(u).DetachFromDisposeScope(), qr.mm(vt.t()).DetachFromDisposeScope(), Values(s));
    }

    public SingularVectors Take(int rank)
    {
        using IDisposable scope = torch.NewDisposeScope();
        return new SingularVectors(rank, Values(_left.narrow(1, 0, rank)), Values(_right.narrow(1, 0, rank)));
    }

    public void Dispose()
    {
        _left.Dispose();
        _right.Dispose();
    }

    private static double[] Values(torch.Tensor tensor) => tensor.numel() == 0 ? [] : tensor.contiguous().cpu().data<double>().ToArray();
}
