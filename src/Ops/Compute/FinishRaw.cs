using System.Runtime.CompilerServices;
using LoraKit.Formats.Tensors.Floats;

namespace LoraKit.Ops.Compute;

/// <summary>destination = sum, as it is: for pairs of types that are finished elsewhere.</summary>
internal readonly unsafe struct FinishRaw<TLanes, TVector, T> : IFinish<TVector>
    where TLanes : IProductLanes<TVector, T>
    where TVector : unmanaged
    where T : unmanaged
{
    public static int SourceSize => 0;

    public static int DestinationSize => sizeof(T);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(TVector sums, byte* source, byte* destination) => TLanes.Store(sums, (T*)destination);
}
