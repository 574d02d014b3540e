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
        where TBits : unmanaged => TLanes.AsSingles(TLanes.LoadHighWords(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Encode<TLanes, TSingles, TBits>(TSingles values, byte* destination)
        where TLanes : ILanes<TSingles, TBits>
        where TSingles : unmanaged
        where TBits : unmanaged
    {
        TBits bits = TLanes.AsBits(values);

        // Half an ulp, less one where the kept part is even: a carry runs into the exponent, up to infinity, as it should.
        TBits odd = TLanes.And(TLanes.ShiftRight(bits, 16), TLanes.Create(1u));
        TBits rounded = TLanes.Add(bits, TLanes.Add(odd, TLanes.Create(Half - 1)));
        TLanes.StoreHighWords(TLanes.Select(TLanes.IsNaN(values), TLanes.Create(SingleBits.NaN), rounded), destination);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryEncodeCommon<TLanes, TSingles, TBits>(TSingles values, byte* destination)
        where TLanes : ILanes<TSingles, TBits>
        where TSingles : unmanaged
        where TBits : unmanaged
    {
        // Without ties, half an ulp decides; a tie has just nothing left below it.
        TBits rounded = TLanes.Add(TLanes.AsBits(values), TLanes.Create(Half));
        TBits isTie = TLanes.Equal(TLanes.And(rounded, TLanes.Create(Half | (Half - 1))), TLanes.Create(0u));
        if (TLanes.Any(TLanes.Or(isTie, TLanes.IsNaN(values)))) return false;
        TLanes.StoreHighWords(rounded, destination);
        return true;
    }
}
