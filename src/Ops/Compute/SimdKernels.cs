using System.Numerics;
using LoraKit.Formats.Tensors;
using LoraKit.Formats.Tensors.Floats;
using LoraKit.Ops.Compute.Svd;

namespace LoraKit.Ops.Compute;

/// <summary>The kernels of one width: packs a product for them, and picks one by the element types of a tile.</summary>
internal abstract class SimdKernels
{
    /// <summary>Lays the right factor out in the panels that the kernels read.</summary>
    public abstract IPreparedProduct Pack(LowRankProduct product);

    /// <summary>Adds rows of a product of this width to a tile; both have been checked against each other and are not empty.</summary>
    public abstract void Add(Tile tile, IPreparedProduct product, long firstRow);

    /// <summary>Takes rows of a product off a tile.</summary>
    public abstract void Subtract(Tile tile, IPreparedProduct product, long firstRow);

    /// <summary>Adds them, and takes them off what comes of that; the tile's two types are the same.</summary>
    public abstract void AddAndSubtract(Tile tile, IPreparedProduct product, long firstRow, Span<byte> back);

    /// <summary>Writes rows of a product in doubles as they are.</summary>
    public abstract void Multiply(Tile tile, IPreparedProduct product, long firstRow);

    /// <summary>The loops of the factored SVD at this width.</summary>
    public abstract VectorLoops Loops { get; }
}

/// <inheritdoc/>
internal sealed class SimdKernels<TLanes, TSingles, TBits, TDoubleLanes, TDoubles> : SimdKernels
    where TLanes : ILanes<TSingles, TBits>
    where TSingles : unmanaged
    where TBits : unmanaged
    where TDoubleLanes : IDoubleLanes<TDoubles>
    where TDoubles : unmanaged
{
    /// <summary>Columns of a panel of singles: what two registers hold.</summary>
    private static int SinglePanel => PanelKernel<TLanes, TSingles, float, FinishRaw<TLanes, TSingles, float>>.PanelColumns;

    /// <summary>Columns of a panel of doubles.</summary>
    private static int DoublePanel => PanelKernel<TDoubleLanes, TDoubles, double, FinishRaw<TDoubleLanes, TDoubles, double>>.PanelColumns;

    public override VectorLoops Loops { get; } = new VectorLoops<TDoubleLanes, TDoubles>();

    public override IPreparedProduct Pack(LowRankProduct product) =>
        product.IsDouble
            ? new PackedProduct<double>(product, product.LeftDouble!, product.RightDouble!, DoublePanel)
            : new PackedProduct<float>(product, product.LeftSingle!, product.RightSingle!, SinglePanel);

    public override void Add(Tile tile, IPreparedProduct product, long firstRow) => Run(tile, product, firstRow, negated: false, default);

    public override void Subtract(Tile tile, IPreparedProduct product, long firstRow) => Run(tile, product, firstRow, negated: true, default);

    public override void AddAndSubtract(Tile tile, IPreparedProduct product, long firstRow, Span<byte> back) => Run(tile, product, firstRow, negated: false, back);

    public override void Multiply(Tile tile, IPreparedProduct product, long firstRow) =>
        PanelKernel<TDoubleLanes, TDoubles, double, FinishRaw<TDoubleLanes, TDoubles, double>>.Run(tile, (PackedProduct<double>)product, firstRow);

    private static void Run(Tile tile, IPreparedProduct product, long firstRow, bool negated, Span<byte> back)
    {
        switch (product)
        {
            case PackedProduct<float> singles when singles.PanelColumns == SinglePanel:
                if (tile.SourceType == DType.F64 || tile.DestinationType == DType.F64) RunStaged<TLanes, TSingles, float>(tile, singles, firstRow, negated, back);
                else RunSingles(tile, singles, firstRow, negated, back);
                break;
            case PackedProduct<double> doubles when doubles.PanelColumns == DoublePanel:
                if (tile.SourceType == DType.F64 && tile.DestinationType == DType.F64)
                {
                    RunPanels<TDoubleLanes, TDoubles, double, FinishDoubles<TDoubleLanes, TDoubles>>(tile, doubles, firstRow, negated, back);
                }
                else
                {
                    RunStaged<TDoubleLanes, TDoubles, double>(tile, doubles, firstRow, negated, back);
                }

                break;
            default:
                throw new ArgumentException("the product was prepared by another backend", nameof(product));
        }
    }

    private static void RunSingles(Tile tile, PackedProduct<float> product, long firstRow, bool negated, Span<byte> back)
    {
        switch (tile.SourceType)
        {
            case DType.BF16:
                RunSingles<BFloat16Codec>(tile, product, firstRow, negated, back);
                break;
            case DType.F16:
                RunSingles<SmallFloatCodec<Float16>>(tile, product, firstRow, negated, back);
                break;
            case DType.F32:
                RunSingles<Float32Codec>(tile, product, firstRow, negated, back);
                break;
            case DType.F8E5M2:
                RunSingles<SmallFloatCodec<Float8E5M2>>(tile, product, firstRow, negated, back);
                break;
            default:
                RunSingles<SmallFloatCodec<Float8E4M3>>(tile, product, firstRow, negated, back);
                break;
        }
    }

    private static void RunSingles<TSource>(Tile tile, PackedProduct<float> product, long firstRow, bool negated, Span<byte> back)
        where TSource : IFloatCodec
    {
        switch (tile.DestinationType)
        {
            case DType.BF16:
                RunSingles<TSource, BFloat16Codec>(tile, product, firstRow, negated, back);
                break;
            case DType.F16:
                RunSingles<TSource, SmallFloatCodec<Float16>>(tile, product, firstRow, negated, back);
                break;
            case DType.F32:
                RunSingles<TSource, Float32Codec>(tile, product, firstRow, negated, back);
                break;
            case DType.F8E5M2:
                RunSingles<TSource, SmallFloatCodec<Float8E5M2>>(tile, product, firstRow, negated, back);
                break;
            default:
                RunSingles<TSource, SmallFloatCodec<Float8E4M3>>(tile, product, firstRow, negated, back);
                break;
        }
    }

    private static void RunSingles<TSource, TDestination>(Tile tile, PackedProduct<float> product, long firstRow, bool negated, Span<byte> back)
        where TSource : IFloatCodec
        where TDestination : IFloatCodec =>
        RunPanels<TLanes, TSingles, float, FinishSingles<TLanes, TSingles, TBits, TSource, TDestination>>(tile, product, firstRow, negated, back);

    private static void RunPanels<TSomeLanes, TVector, T, TFinish>(Tile tile, PackedProduct<T> product, long firstRow, bool negated, Span<byte> back)
        where TSomeLanes : IProductLanes<TVector, T>
        where TVector : unmanaged
        where T : unmanaged
        where TFinish : IFinish<TVector>
    {
        if (negated) PanelKernel<TSomeLanes, TVector, T, FinishNegated<TSomeLanes, TVector, T, TFinish>>.Run(tile, product, firstRow);
        else if (back.IsEmpty) PanelKernel<TSomeLanes, TVector, T, TFinish>.Run(tile, product, firstRow);
        else PanelKernel<TSomeLanes, TVector, T, TFinish>.Run<FinishNegated<TSomeLanes, TVector, T, TFinish>>(tile, product, firstRow, back);
    }

    private static void RunStaged<TSomeLanes, TVector, T>(Tile tile, PackedProduct<T> product, long firstRow, bool negated, Span<byte> back)
        where TSomeLanes : IProductLanes<TVector, T>
        where TVector : unmanaged
        where T : unmanaged, INumberBase<T>
    {
        StagedSum.Add<TSomeLanes, TVector, T>(tile, product, firstRow, negated);
        if (back.IsEmpty) return;
        Tile opposite = new()
        {
            Source = tile.Destination,
            SourceType = tile.DestinationType,
            Destination = back,
            DestinationType = tile.SourceType,
            Rows = tile.Rows,
            Columns = tile.Columns,
        };
        StagedSum.Add<TSomeLanes, TVector, T>(opposite, product, firstRow, negated: true);
    }
}
