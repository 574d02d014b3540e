using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Compute;

/// <summary>
/// Where the arithmetic runs. Two implementations, managed SIMD and TorchSharp, and the same tests over both. Instances are safe to
/// use from several threads at once.
/// </summary>
public interface ICompute : IDisposable
{
    /// <summary>What runs and how wide: <c>simd-avx512</c>, <c>torch-cpu</c>, <c>torch-cuda:0</c>.</summary>
    string Name { get; }

    /// <summary>Makes a product ready to be added to many tiles: packed, or copied to the device.</summary>
    IPreparedProduct Prepare(LowRankProduct product);

    /// <summary>
    /// destination = round(source + (Left·Right)[firstRow + i, :]): the product is summed over k = 0 … r−1 in F32 (F64 for a F64
    /// product) starting from zero, added to the source once, and rounded to the destination's type once, to nearest even.
    /// </summary>
    /// <param name="tile">Rows of the stored tensor: source and destination bytes and their element types.</param>
    /// <param name="product">From this instance's <see cref="Prepare"/>; its columns equal the tile's.</param>
    /// <param name="firstRow">Which row of the product the tile's first row is.</param>
    void AddProduct(Tile tile, IPreparedProduct product, long firstRow);

    /// <summary>
    /// The SVD of Left·Right, in F64 whatever the factors' type. See spec/algebra.md, "Factored SVD".
    /// </summary>
    /// <param name="product">The factors; any rank, also above rows or columns, also 0.</param>
    ILowRankSvd Decompose(LowRankProduct product);
}

/// <summary>A <see cref="LowRankProduct"/> as one backend wants it. Dispose it when the last tile is done.</summary>
public interface IPreparedProduct : IDisposable
{
    /// <summary>The product's rows.</summary>
    long Rows { get; }

    /// <summary>The product's columns.</summary>
    int Columns { get; }

    /// <summary>How many terms each element sums.</summary>
    int Rank { get; }
}

/// <summary>Whole rows of a stored tensor on their way from one element type to another. Source and destination may not overlap.</summary>
public readonly ref struct Tile
{
    /// <summary>Rows of the input, row-major, little-endian.</summary>
    public required ReadOnlySpan<byte> Source { get; init; }

    /// <summary>The input's element type; one for which <see cref="DTypes.IsMergeable"/> holds.</summary>
    public required DType SourceType { get; init; }

    /// <summary>Rows of the output.</summary>
    public required Span<byte> Destination { get; init; }

    /// <summary>The output's element type.</summary>
    public required DType DestinationType { get; init; }

    /// <summary>How many rows.</summary>
    public required int Rows { get; init; }

    /// <summary>Elements per row.</summary>
    public required int Columns { get; init; }
}
