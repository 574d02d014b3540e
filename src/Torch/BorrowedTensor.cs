using System.Runtime.InteropServices;
using LoraKit.Torch.Loading;
using TorchSharp;

namespace LoraKit.Torch;

/// <summary>Tensors over memory that belongs to somebody else: nothing is copied, and nothing is freed.</summary>
internal static unsafe class BorrowedTensor
{
    /// <summary>A matrix on the CPU over <paramref name="memory"/>, which must stay in place and outlive the tensor.</summary>
    public static torch.Tensor Over(LibTorch library, void* memory, long rows, long columns, torch.ScalarType type)
    {
        long* sizes = stackalloc long[] { rows, columns };
        var create = (delegate* unmanaged<void*, void*, long*, int, sbyte, sbyte, int, int, byte, nint>)library.NewTensor;
        nint handle = create(memory, null, sizes, 2, (sbyte)type, (sbyte)type, (int)DeviceType.CPU, -1, 0);
        if (handle == 0)
        {
            torch.CheckForErrors();
            throw new ExternalException("libtorch made no tensor and said no error");
        }

        return torch.Tensor.UnsafeCreateTensor(handle);
    }
}
