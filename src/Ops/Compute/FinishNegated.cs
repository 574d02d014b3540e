using System.Runtime.CompilerServices;
using LoraKit.Formats.Tensors.Floats;

namespace LoraKit.Ops.Compute;

/// <summary>Another finish, of the sums with every sign changed: what was added is subtracted.</summary>
internal readonly unsafe struct FinishNegated<TLanes, TVector, T, TFinish> : IFinish<TVector>
    where TLanes : IProductLanes<TVector, T>
    where TVector : unmanaged
    where T : unmanaged
    where TFinish : IFinish<TVector>
{
    public static int SourceSize => TFinish.SourceSize;

    public static int DestinationSize => TFinish.DestinationSize;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(TVector sums, byte* source, byte* destination) => TFinish.Store(TLanes.Negate(sums), source, destination);
}
