using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Merge;

/// <summary>The updates of one tensor, shared by its tiles: read and prepared by whoever comes first.</summary>
internal sealed class SharedProduct(Func<LowRankProduct> build) : IDisposable
{
    private readonly Lock _preparing = new();
    private IPreparedProduct? _product;

    /// <summary>Ready to be added, by the same backend each time.</summary>
    public IPreparedProduct Get(ICompute compute)
    {
        lock (_preparing)
        {
            return _product ??= compute.Prepare(build());
        }
    }

    /// <summary>Lets the product go.</summary>
    public void Dispose()
    {
        lock (_preparing)
        {
            _product?.Dispose();
            _product = null;
        }
    }
}
