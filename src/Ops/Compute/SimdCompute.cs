using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Formats.Tensors.Floats;
using LoraKit.Ops.Compute.Svd;

namespace LoraKit.Ops.Compute;

/// <summary>
/// The managed backend: destination = round(source + Σₖ Left[i, k]·Right[k, j]). The sum runs over k in order, from zero, with fused
/// multiply-adds in F32 (F64 for a product in doubles); the source is added to it exactly and the result is rounded once, to nearest
/// even in the destination's type. An element's arithmetic depends on nothing but its own terms, so bytes are the same for every
/// width, tile height and thread count. A result that is NaN is the type's positive quiet NaN.
/// </summary>
public sealed class SimdCompute : ICompute
{
    private readonly SimdKernels _kernels;

    /// <summary>The widest that this processor runs well.</summary>
    public SimdCompute()
        : this(IsSupported(SimdWidth.V512) ? SimdWidth.V512 : IsSupported(SimdWidth.V256) ? SimdWidth.V256 : SimdWidth.Scalar)
    {
    }

    /// <summary>A given width.</summary>
    /// <exception cref="BackendUnavailableException">This processor does not have it.</exception>
    public SimdCompute(SimdWidth width)
    {
        if (!IsSupported(width))
        {
            throw new BackendUnavailableException(
                $"this processor lacks the instructions for {width} kernels; use {nameof(SimdWidth.Scalar)} or let LoraKit choose");
        }

        Width = width;
        _kernels = width switch
        {
            SimdWidth.V512 => new SimdKernels<Lanes512, Vector512<float>, Vector512<uint>, DoubleLanes512, Vector512<double>>(),
            SimdWidth.V256 => new SimdKernels<Lanes256, Vector256<float>, Vector256<uint>, DoubleLanes256, Vector256<double>>(),
            _ => new SimdKernels<ScalarLanes, float, uint, ScalarDoubleLanes, double>(),
        };
    }

    /// <summary>How wide it computes.</summary>
    public SimdWidth Width { get; }

    /// <inheritdoc/>
    public string Name => Width switch
    {
        SimdWidth.V512 => "simd-avx512",
        SimdWidth.V256 => "simd-avx2",
        _ => "simd-scalar",
    };

    /// <summary>Whether this processor runs a width.</summary>
    public static bool IsSupported(SimdWidth width) => width switch
    {
        SimdWidth.V512 => Lanes512.IsSupported,
        SimdWidth.V256 => Lanes256.IsSupported,
        _ => width == SimdWidth.Scalar,
    };

    /// <inheritdoc/>
    public IPreparedProduct Prepare(LowRankProduct product) => _kernels.Pack(product);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The tile and the product disagree, or the product was prepared by another backend.</exception>
    /// <exception cref="ObjectDisposedException">The product is disposed.</exception>
    public void AddProduct(Tile tile, IPreparedProduct product, long firstRow)
    {
        Check(tile, product, firstRow);
        if (product.Rank == 0)
        {
            FloatConvert.Cast(tile.SourceType, tile.Source, tile.DestinationType, tile.Destination);
        }
        else if (tile.Rows > 0 && tile.Columns > 0)
        {
            _kernels.Add(tile, product, firstRow);
        }
    }

    /// <summary>destination = round(source − (Left·Right)[firstRow + i, :]): the sums of <see cref="AddProduct"/>, each with its sign changed.</summary>
    internal void SubtractProduct(Tile tile, IPreparedProduct product, long firstRow)
    {
        Check(tile, product, firstRow);
        if (product.Rank == 0)
        {
            FloatConvert.Cast(tile.SourceType, tile.Source, tile.DestinationType, tile.Destination);
        }
        else if (tile.Rows > 0 && tile.Columns > 0)
        {
            _kernels.Subtract(tile, product, firstRow);
        }
    }

    /// <summary><see cref="AddProduct"/>, and back in the source's type what <see cref="SubtractProduct"/> makes of its result; sums are made once for both.</summary>
    /// <param name="tile">As for <see cref="AddProduct"/>; both types are the same.</param>
    /// <param name="product">From <see cref="Prepare"/>.</param>
    /// <param name="firstRow">Which row of the product the tile's first row is.</param>
    /// <param name="back">As long as the source.</param>
    internal void AddAndSubtract(Tile tile, IPreparedProduct product, long firstRow, Span<byte> back)
    {
        Check(tile, product, firstRow);
        if (tile.SourceType != tile.DestinationType || back.Length != tile.Source.Length) throw new ArgumentException("there and back are of one type", nameof(back));
        if (product.Rank == 0)
        {
            tile.Source.CopyTo(tile.Destination);
            tile.Source.CopyTo(back);
        }
        else if (tile.Rows > 0 && tile.Columns > 0)
        {
            _kernels.AddAndSubtract(tile, product, firstRow, back);
        }
    }

    /// <summary>product[i, :] = (Left·Right)[firstRow + i, :], of a product in doubles.</summary>
    internal void Multiply(IPreparedProduct product, long firstRow, int rows, Span<double> values)
    {
        if (product.Rank == 0 || values.IsEmpty)
        {
            values.Clear();
            return;
        }

        Tile tile = new()
        {
            Source = [],
            SourceType = DType.F64,
            Destination = MemoryMarshal.AsBytes(values),
            DestinationType = DType.F64,
            Rows = rows,
            Columns = product.Columns,
        };
        ArgumentOutOfRangeException.ThrowIfGreaterThan(firstRow, product.Rows - rows);
        ArgumentOutOfRangeException.ThrowIfNotEqual(values.Length, rows * product.Columns);
        _kernels.Multiply(tile, product, firstRow);
    }

    /// <inheritdoc/>
    /// <exception cref="NonFiniteException">A factor holds NaN or infinity, or the product is beyond the range of F64.</exception>
    public ILowRankSvd Decompose(LowRankProduct product)
    {
        ArgumentNullException.ThrowIfNull(product);
        return new FactoredSvd(product, _kernels.Loops);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private static void Check(Tile tile, IPreparedProduct product, long firstRow)
    {
        ArgumentNullException.ThrowIfNull(product);
        ArgumentOutOfRangeException.ThrowIfNegative(tile.Rows);
        ArgumentOutOfRangeException.ThrowIfNegative(firstRow);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(firstRow, product.Rows - tile.Rows);
        if (tile.Columns != product.Columns)
        {
            throw new ArgumentException($"the tile has {tile.Columns} columns, the product {product.Columns}");
        }

        CheckBytes("source", tile.SourceType, tile.Source.Length, tile);
        CheckBytes("destination", tile.DestinationType, tile.Destination.Length, tile);
        if (tile.Source.Overlaps(tile.Destination)) throw new ArgumentException("the tile's source and destination overlap");
    }

    private static void CheckBytes(string what, DType dtype, int bytes, Tile tile)
    {
        if (!dtype.IsMergeable()) throw new ArgumentException($"a {what} of {dtype.FileName()} cannot be added to");
        long expected = (long)tile.Rows * tile.Columns * dtype.Bytes();
        if (bytes != expected)
        {
            throw new ArgumentException(
                $"the {what} has {bytes} bytes; {tile.Rows} × {tile.Columns} elements of {dtype.FileName()} are {expected}");
        }
    }
}
