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
        TBits magnitude = TLanes.And(bits, TLanes.Create(SingleBits.Magnitude));
        TBits isNaN = TLanes.GreaterThan(magnitude, TLanes.Create(SingleBits.Infinity));
        TLanes.Store(TLanes.AsSingles(TLanes.Select(isNaN, TLanes.Create(SingleBits.NaN), bits)), (float*)destination);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TBits MayTie<TLanes, TSingles, TBits>(TSingles values)
        where TLanes : ILanes<TSingles, TBits>
        where TSingles : unmanaged
        where TBits : unmanaged => TLanes.Create(0u);
}
