using LoraKit.Ops.Compute;
using TorchSharp;

namespace LoraKit.Torch;

/// <summary>The two factors on the device.</summary>
internal sealed class TorchProduct : IPreparedProduct
{
    private readonly torch.Tensor _left;
    private readonly torch.Tensor _right;

    /// <summary>Takes the tensors over.</summary>
    public TorchProduct(TorchCompute owner, LowRankProduct product, torch.Tensor left, torch.Tensor right)
    {
        (Owner, Rows, Columns, Rank, IsDouble) = (owner, product.Rows, product.Columns, product.Rank, product.IsDouble);
        (_left, _right) = (left, right);
    }

    public TorchCompute Owner { get; }

    public long Rows { get; }

    public int Columns { get; }

    public int Rank { get; }

    public bool IsDouble { get; }

    public bool IsDisposed => _left.IsInvalid;

    /// <summary>Rows [first, first + count) of Left · Right, summed from zero; belongs to the current dispose scope.</summary>
    public torch.Tensor Delta(long first, long count) => _left.narrow(0, first, count).mm(_right);

    public void Dispose()
    {
        _left.Dispose();
        _right.Dispose();
    }
}
