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

    public override void Add(Tile tile, IPreparedProduct product, long firstRow)
    {
        switch (product)
        {
            case PackedProduct<float> singles when singles.PanelColumns == SinglePanel:
                if (tile.SourceType == DType.F64 || tile.DestinationType == DType.F64)
                {
                    StagedSum.Add<TLanes, TSingles, float>(tile, singles, firstRow);
                }
                else
                {
                    AddSingles(tile, singles, firstRow);
                }

                break;
            case PackedProduct<double> doubles when doubles.PanelColumns == DoublePanel:
                if (tile.SourceType == DType.F64 && tile.DestinationType == DType.F64)
                {
                    PanelKernel<TDoubleLanes, TDoubles, double, FinishDoubles<TDoubleLanes, TDoubles>>.Run(tile, doubles, firstRow);
                }
                else
                {
                    StagedSum.Add<TDoubleLanes, TDoubles, double>(tile, doubles, firstRow);
                }

                break;
            default:
                throw new ArgumentException("the product was prepared by another backend", nameof(product));
        }
    }

    private static void AddSingles(Tile tile, PackedProduct<float> product, long firstRow)
    {
        switch (tile.SourceType)
        {
            case DType.BF16:
                AddSingles<BFloat16Codec>(tile, product, firstRow);
                break;
            case DType.F16:
                AddSingles<SmallFloatCodec<Float16>>(tile, product, firstRow);
                break;
            case DType.F32:
                AddSingles<Float32Codec>(tile, product, firstRow);
                break;
            case DType.F8E5M2:
                AddSingles<SmallFloatCodec<Float8E5M2>>(tile, product, firstRow);
                break;
            default:
                AddSingles<SmallFloatCodec<Float8E4M3>>(tile, product, firstRow);
                break;
        }
    }

    private static void AddSingles<TSource>(Tile tile, PackedProduct<float> product, long firstRow)
        where TSource : IFloatCodec
    {
        switch (tile.DestinationType)
        {
            case DType.BF16:
                AddSingles<TSource, BFloat16Codec>(tile, product, firstRow);
                break;
            case DType.F16:
                AddSingles<TSource, SmallFloatCodec<Float16>>(tile, product, firstRow);
                break;
            case DType.F32:
                AddSingles<TSource, Float32Codec>(tile, product, firstRow);
                break;
            case DType.F8E5M2:
                AddSingles<TSource, SmallFloatCodec<Float8E5M2>>(tile, product, firstRow);
                break;
            default:
                AddSingles<TSource, SmallFloatCodec<Float8E4M3>>(tile, product, firstRow);
                break;
        }
    }

    private static void AddSingles<TSource, TDestination>(Tile tile, PackedProduct<float> product, long firstRow)
        where TSource : IFloatCodec
        where TDestination : IFloatCodec =>
        PanelKernel<TLanes, TSingles, float, FinishSingles<TLanes, TSingles, TBits, TSource, TDestination>>.Run(tile, product, firstRow);
}
