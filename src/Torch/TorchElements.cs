using LoraKit.Formats.Tensors;
using LoraKit.Torch.Loading;
using TorchSharp;

namespace LoraKit.Torch;

/// <summary>
/// Stored elements to tensors on the device and back. libtorch converts the types that it has and rounds once; the others, and memory
/// that is not aligned to its elements, are converted by <see cref="FloatConvert"/>.
/// </summary>
internal sealed unsafe class TorchElements(LibTorch library, torch.Device device)
{
    /// <summary>
    /// The elements as a tensor on the device, of their own type or of the sum's. It may be a view of <paramref name="source"/>, and it
    /// belongs to the current dispose scope.
    /// </summary>
    public torch.Tensor Load(byte* source, DType type, long rows, long columns, torch.ScalarType sumType)
    {
        if (TypeOf(type) is { } own && IsAligned(source, type)) return BorrowedTensor.Over(library, source, rows, columns, own).to(device);

        torch.Tensor decoded = torch.empty([rows, columns], sumType, torch.CPU);
        ReadOnlySpan<byte> stored = new(source, checked((int)(rows * columns * type.Bytes())));
        if (sumType == torch.ScalarType.Float64)
        {
            FloatConvert.ToDoubles(type, stored, Values<double>(decoded));
        }
        else
        {
            FloatConvert.ToSingles(type, stored, Values<float>(decoded));
        }

        return decoded.to(device);
    }

    /// <summary>Rounds a sum to the elements' type once and puts it into <paramref name="destination"/>.</summary>
    public void Store(torch.Tensor sum, byte* destination, DType type)
    {
        bool wide = sum.dtype == torch.ScalarType.Float64;
        if (TypeOf(type) is { } own && IsAligned(destination, type) && (!wide || type is DType.F32 or DType.F64))
        {
            // To the type first: a device then sends fewer bytes.
            BorrowedTensor.Over(library, destination, sum.shape[0], sum.shape[1], own).copy_(sum.to_type(own));
            return;
        }

        // libtorch goes from doubles to the 16-bit types by way of singles, which would round twice.
        torch.Tensor values = sum.cpu();
        Span<byte> stored = new(destination, checked((int)(values.NumberOfElements * type.Bytes())));
        if (wide)
        {
            FloatConvert.FromDoubles(type, Values<double>(values), stored);
        }
        else
        {
            FloatConvert.FromSingles(type, Values<float>(values), stored);
        }
    }

    private static torch.ScalarType? TypeOf(DType type) => type switch
    {
        DType.F16 => torch.ScalarType.Float16,
        DType.BF16 => torch.ScalarType.BFloat16,
        DType.F32 => torch.ScalarType.Float32,
        DType.F64 => torch.ScalarType.Float64,
        _ => null,
    };

    private static bool IsAligned(byte* memory, DType type) => (nuint)memory % (nuint)type.Bytes() == 0;

    private static Span<T> Values<T>(torch.Tensor tensor)
        where T : unmanaged => System.Runtime.InteropServices.MemoryMarshal.Cast<byte, T>(tensor.bytes);
}
