using TorchSharp;

namespace LoraKit.Bench;

/// <summary>What other tools do to lower a rank: form W = B·A, then take the SVD of W, in F32.</summary>
internal static class DenseSvd
{
    /// <summary>torch.linalg.svd(W), the first <paramref name="rank"/> of everything.</summary>
    public static void Full(torch.Tensor left, torch.Tensor right, int rank)
    {
        using IDisposable scope = torch.NewDisposeScope();
        (torch.Tensor u, torch.Tensor s, torch.Tensor vt) = torch.linalg.svd(left.mm(right), fullMatrices: false);
        Keep(u, s, vt, rank);
    }

    /// <summary>torch.svd_lowrank(W, q, niter), which TorchSharp lacks, in the operations that PyTorch's own consists of.</summary>
    public static void Randomized(torch.Tensor left, torch.Tensor right, int rank, int q, int iterations)
    {
        using IDisposable scope = torch.NewDisposeScope();
        torch.Tensor w = left.mm(right);
        torch.Tensor basis = torch.linalg.qr(w.mm(torch.randn(w.shape[1], q))).Q;
        for (int i = 0; i < iterations; i++)
        {
            basis = torch.linalg.qr(w.t().mm(basis)).Q;
            basis = torch.linalg.qr(w.mm(basis)).Q;
        }

        (torch.Tensor u, torch.Tensor s, torch.Tensor vt) = torch.linalg.svd(basis.t().mm(w), fullMatrices: false);
        Keep(basis.mm(u), s, vt, rank);
    }

    private static void Keep(torch.Tensor u, torch.Tensor s, torch.Tensor vt, int rank)
    {
        u.narrow(1, 0, rank).contiguous();
        s.narrow(0, 0, rank).contiguous();
        vt.narrow(0, 0, rank).contiguous();
    }
}
