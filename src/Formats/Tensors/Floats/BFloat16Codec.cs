using System.Runtime.CompilerServices;

namespace LoraKit.Formats.Tensors.Floats;

/// <summary>BF16: the upper half of a single. Subnormals are kept (the processor's own conversion flushes them).</summary>
internal readonly unsafe struct BFloat16Codec : IFloatCodec
{
    private const uint Half = 0x8000;

    public static int Size => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSingles Decode<TLanes, TSingles, TBits>(byte* source)
        where TLanes : ILanes<TSingles, TBits>
        where TSingles : unmanaged
        where TBits : unmanaged => TLanes.AsSingles(TLanes.ShiftLeft(TLanes.LoadWords(source), 16));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Encode<TLanes, TSingles, TBits>(TSingles values, byte* destination)
        where TLanes : ILanes<TSingles, TBits>
        where TSingles : unmanaged
        where TBits : unmanaged
    {
        TBits bits = TLanes.AsBits(values);
        TBits magnitude = TLanes.And(bits, TLanes.Create(SingleBits.Magnitude));
        TBits isNaN = TLanes.GreaterThan(magnitude, TLanes.Create(SingleBits.Infinity));

        // Half an ulp, less one where the kept part is even: a carry runs into the exponent, up to infinity, as it should.
        TBits odd = TLanes.And(TLanes.ShiftRight(bits, 16), TLanes.Create(1u));
        TBits rounded = TLanes.Add(bits, TLanes.Add(odd, TLanes.Create(Half - 1)));
        TLanes.StoreWords(TLanes.ShiftRight(TLanes.Select(isNaN, TLanes.Create(SingleBits.NaN), rounded), 16), destination);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TBits MayTie<TLanes, TSingles, TBits>(TSingles values)
        where TLanes : ILanes<TSingles, TBits>
        where TSingles : unmanaged
        where TBits : unmanaged =>
        TLanes.Equal(TLanes.ShiftLeft(TLanes.AsBits(values), 16), TLanes.Create(Half << 16));
}
