using System.Runtime.InteropServices;
using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Torch.Loading;
using TorchSharp;

namespace LoraKit.Torch;

/// <summary>
/// libtorch as compute, on the CPU or a CUDA device. Singles are summed in F32 and doubles in F64, TF32 is off. The same tiles give the
/// same bytes on the same machine with the same number of threads; against the managed compute the order of the sums differs.
/// See spec/compute.md.
/// </summary>
/// <remarks>
/// The first instance loads libtorch, which takes about 0.3 s and 120 MB, and it stays loaded: a process cannot load a second one.
/// </remarks>
public sealed unsafe class TorchCompute : ICompute
{
    private readonly LibTorch _library;
    private readonly torch.Device _device;
    private readonly TorchElements _elements;
    private readonly int _blockElements;

    private TorchCompute(LibTorch library, TorchDevice device)
    {
        _library = library;
        _device = device.Kind == TorchDeviceKind.Cuda ? torch.device(DeviceType.CUDA, device.Index) : torch.CPU;
        _elements = new TorchElements(library, _device);
        // On the CPU what a block needs stays in the cache; a device wants few and large operations.
        _blockElements = device.Kind == TorchDeviceKind.Cuda ? 1 << 26 : 1 << 18;
        Name = $"torch-{device}";
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>Finds and loads libtorch and takes hold of the device.</summary>
    /// <exception cref="BackendUnavailableException">libtorch or the device is not there; the message says what was tried.</exception>
    /// <exception cref="InvalidOptionException">An option has no meaning.</exception>
    public static TorchCompute Create(TorchOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        TorchDevice device = TorchDevice.Parse(options.Device);
        if (options.Threads < 1) throw new InvalidOptionException($"libtorch cannot compute with {options.Threads} threads; use 1 or more");

        LibTorch library = LibTorch.Load(LibTorchSearch.FromEnvironment(options.LibTorchDirectory));
        torch.set_num_threads(options.Threads);
        torch.backends.cuda.matmul.allow_tf32 = false;
        torch.backends.cudnn.allow_tf32 = false;
        return new TorchCompute(library, CudaSupport.Resolve(device, library));
    }

    /// <inheritdoc/>
    /// <exception cref="BackendUnavailableException">The device ran out of memory or failed.</exception>
    public IPreparedProduct Prepare(LowRankProduct product)
    {
        ArgumentNullException.ThrowIfNull(product);
        try
        {
            using IDisposable scope = torch.NewDisposeScope();
            (torch.Tensor left, torch.Tensor right) = product.IsDouble
                ? (OnDevice(product.LeftDouble, product.Rows, product.Rank), OnDevice(product.RightDouble, product.Rank, product.Columns))
                : (OnDevice(product.LeftSingle, product.Rows, product.Rank), OnDevice(product.RightSingle, product.Rank, product.Columns));
            // They outlive this call, and the caller's own scope if there is one.
            return new TorchProduct(this, product, left.DetachFromDisposeScope(), right.DetachFromDisposeScope());
        }
        catch (ExternalException e) when (TorchFailure.Explain(e, Name) is { } explained)
        {
            throw explained;
        }
    }

    /// <inheritdoc/>
    /// <exception cref="BackendUnavailableException">The device ran out of memory or failed.</exception>
    public void AddProduct(Tile tile, IPreparedProduct product, long firstRow)
    {
        TorchProduct factors = Checked(tile, product, firstRow);
        if (tile.Rows == 0 || tile.Columns == 0) return;
        if (factors.Rank == 0 && tile.SourceType == tile.DestinationType)
        {
            tile.Source.CopyTo(tile.Destination);
            return;
        }

        int step = Math.Max(1, _blockElements / tile.Columns);
        try
        {
            using IDisposable noGradient = torch.no_grad();
            fixed (byte* source = tile.Source, destination = tile.Destination)
            {
                for (int row = 0; row < tile.Rows; row += step)
                {
                    AddRows(tile, source, destination, factors, firstRow, row, Math.Min(step, tile.Rows - row));
                }
            }
        }
        catch (ExternalException e) when (TorchFailure.Explain(e, Name) is { } explained)
        {
            throw explained;
        }
    }

    /// <inheritdoc/>
    /// <exception cref="NonFiniteException">A factor holds NaN or infinity, or the product is beyond the range of F64.</exception>
    /// <exception cref="BackendUnavailableException">The device ran out of memory or failed.</exception>
    public ILowRankSvd Decompose(LowRankProduct product)
    {
        ArgumentNullException.ThrowIfNull(product);
        try
        {
            using IDisposable scope = torch.NewDisposeScope();
            using IDisposable noGradient = torch.no_grad();
            // LAPACK asks OpenMP, which knows the number of threads on a thread that has asked libtorch for it once.
            torch.get_num_threads();
            (torch.Tensor left, torch.Tensor right) = product.IsDouble
                ? (OnDevice(product.LeftDouble, product.Rows, product.Rank), OnDevice(product.RightDouble, product.Rank, product.Columns))
                : (OnDevice(product.LeftSingle, product.Rows, product.Rank), OnDevice(product.RightSingle, product.Rank, product.Columns));
            return TorchSvd.Of(left.to_type(torch.ScalarType.Float64), right.to_type(torch.ScalarType.Float64));
        }
        catch (ExternalException e) when (TorchFailure.Explain(e, Name) is { } explained)
        {
            throw explained;
        }
    }

    /// <summary>Gives nothing back: libtorch stays loaded.</summary>
    public void Dispose()
    {
    }

    private void AddRows(Tile tile, byte* source, byte* destination, TorchProduct factors, long firstRow, int row, int rows)
    {
        // Scopes belong to a thread; whatever libtorch allocates below is freed when this one ends.
        using IDisposable scope = torch.NewDisposeScope();
        long start = (long)row * tile.Columns;
        bool wide = factors.IsDouble || tile.SourceType == DType.F64 || tile.DestinationType == DType.F64;
        torch.ScalarType sumType = wide ? torch.ScalarType.Float64 : torch.ScalarType.Float32;
        torch.Tensor stored = _elements.Load(source + (start * tile.SourceType.Bytes()), tile.SourceType, rows, tile.Columns, sumType);
        // The scalar that add_ makes of its own accord may be collected while libtorch reads it.
        using Scalar one = 1;
        // An empty sum changes nothing, not even the sign of a zero.
        torch.Tensor sum = factors.Rank == 0 ? stored.to_type(sumType) : factors.Delta(firstRow + row, rows).to_type(sumType).add_(stored, one);
        _elements.Store(sum, destination + (start * tile.DestinationType.Bytes()), tile.DestinationType);
    }

    private torch.Tensor OnDevice<T>(T[]? values, long rows, long columns)
        where T : unmanaged
    {
        torch.ScalarType type = typeof(T) == typeof(double) ? torch.ScalarType.Float64 : torch.ScalarType.Float32;
        // A copy, on the CPU too: libtorch's own memory is aligned the same in every run, and so are the sums.
        torch.Tensor copy = torch.empty([rows, columns], type, _device);
        fixed (T* memory = values)
        {
            if (memory is not null) copy.copy_(BorrowedTensor.Over(_library, memory, rows, columns, type));
        }

        return copy;
    }

    private TorchProduct Checked(Tile tile, IPreparedProduct product, long firstRow)
    {
        if (product is not TorchProduct factors || factors.Owner != this) throw new ArgumentException($"prepared by another compute than {Name}", nameof(product));
        ObjectDisposedException.ThrowIf(factors.IsDisposed, factors);
        ArgumentOutOfRangeException.ThrowIfNotEqual(tile.Columns, factors.Columns, nameof(tile));
        ArgumentOutOfRangeException.ThrowIfNegative(tile.Rows, nameof(tile));
        ArgumentOutOfRangeException.ThrowIfNegative(firstRow);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(firstRow, factors.Rows - tile.Rows);
        if (!tile.SourceType.IsMergeable() || !tile.DestinationType.IsMergeable())
        {
            throw new ArgumentException($"{tile.SourceType.FileName()} to {tile.DestinationType.FileName()} cannot be computed with", nameof(tile));
        }

        long elements = (long)tile.Rows * tile.Columns;
        ArgumentOutOfRangeException.ThrowIfNotEqual(tile.Source.Length, elements * tile.SourceType.Bytes(), nameof(tile));
        ArgumentOutOfRangeException.ThrowIfNotEqual(tile.Destination.Length, elements * tile.DestinationType.Bytes(), nameof(tile));
        return factors;
    }
}
