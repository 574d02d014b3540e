using System.Runtime.CompilerServices;
using LoraKit.Formats.Tensors.Floats;

namespace LoraKit.Ops.Compute;

/// <summary>destination = round(source + sum), as if the addition were exact: rounded once, to the destination's type.</summary>
internal readonly unsafe struct FinishSingles<TLanes, TSingles, TBits, TSource, TDestination> : IFinish<TSingles>
    where TLanes : ILanes<TSingles, TBits>
    where TSingles : unmanaged
    where TBits : unmanaged
    where TSource : IFloatCodec
    where TDestination : IFloatCodec
{
    public static int SourceSize => TSource.Size;

    public static int DestinationSize => TDestination.Size;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(TSingles sums, byte* source, byte* destination)
    {
        TSingles addend = TSource.Decode<TLanes, TSingles, TBits>(source);
        TSingles total = TLanes.Add(addend, sums);

        // Rounding to a single moves a total at most onto a tie of the narrower type, never across it. Only there does the part that
        // the addition lost decide, so only there is it computed.
        if (!TDestination.TryEncodeCommon<TLanes, TSingles, TBits>(total, destination)) StoreExact(sums, addend, destination);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void StoreExact(TSingles sums, TSingles addend, byte* destination) =>
        TDestination.Encode<TLanes, TSingles, TBits>(RoundToOdd.Sum<TLanes, TSingles, TBits>(addend, sums), destination);
}
