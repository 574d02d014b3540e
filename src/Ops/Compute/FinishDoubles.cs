using System.Runtime.CompilerServices;
using LoraKit.Formats.Tensors.Floats;

namespace LoraKit.Ops.Compute;

/// <summary>destination = source + sum, all in doubles.</summary>
internal readonly unsafe struct FinishDoubles<TLanes, TDoubles> : IFinish<TDoubles>
    where TLanes : IDoubleLanes<TDoubles>
    where TDoubles : unmanaged
{
    public static int SourceSize => sizeof(double);

    public static int DestinationSize => sizeof(double);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(TDoubles sums, byte* source, byte* destination) =>
        TLanes.Store(TLanes.WithOneNaN(TLanes.Add(TLanes.Load((double*)source), sums)), (double*)destination);
}
