namespace LoraKit.Formats.Tensors.Floats;

/// <summary>How one stored floating-point type, no wider than a single, becomes singles and comes back: written once for every width.</summary>
internal unsafe interface IFloatCodec
{
    /// <summary>Bytes per element.</summary>
    static abstract int Size { get; }

    /// <summary>Count elements as singles, exactly; a NaN's payload is kept.</summary>
    static abstract TSingles Decode<TLanes, TSingles, TBits>(byte* source)
        where TLanes : ILanes<TSingles, TBits>
        where TSingles : unmanaged
        where TBits : unmanaged;

    /// <summary>Count singles rounded to nearest, ties to even. Every NaN becomes the type's positive quiet NaN, however it arose.</summary>
    static abstract void Encode<TLanes, TSingles, TBits>(TSingles values, byte* destination)
        where TLanes : ILanes<TSingles, TBits>
        where TSingles : unmanaged
        where TBits : unmanaged;

    /// <summary>
    /// Encodes like <see cref="Encode"/>, but faster, where every single is one that most are: not NaN, and not what may lie exactly
    /// halfway between two neighbours of the type. Otherwise writes nothing and returns false.
    /// </summary>
    static abstract bool TryEncodeCommon<TLanes, TSingles, TBits>(TSingles values, byte* destination)
        where TLanes : ILanes<TSingles, TBits>
        where TSingles : unmanaged
        where TBits : unmanaged;
}
