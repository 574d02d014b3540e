using System.Runtime.CompilerServices;

namespace LoraKit.Formats.Tensors.Floats;

/// <summary>F32: as it is.</summary>
internal readonly unsafe struct Float32Codec : IFloatCodec
{
    public static int Size => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSingles Decode<TLanes, TSingles, TBits>(byte* source)
        where TLanes : ILanes<TSingles, TBits>
        where TSingles : unmanaged
        where TBits : unmanaged => TLanes.Load((float*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Encode<TLanes, TSingles, TBits>(TSingles values, byte* destination)
        where TLanes : ILanes<TSingles, TBits>
        where TSingles : unmanaged
        where TBits : unmanaged
    {
        TBits bits = TLanes.AsBits(values);
        TLanes.Store(TLanes.AsSingles(TLanes.Select(TLanes.IsNaN(values), TLanes.Create(SingleBits.NaN), bits)), (float*)destination);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryEncodeCommon<TLanes, TSingles, TBits>(TSingles values, byte* destination)
        where TLanes : ILanes<TSingles, TBits>
        where TSingles : unmanaged
        where TBits : unmanaged
    {
        // A single is never between two singles.
        Encode<TLanes, TSingles, TBits>(values, destination);
        return true;
    }
}
