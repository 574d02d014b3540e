namespace LoraKit.Ops.Compute;

/// <summary>What becomes of one register of finished sums: it meets the source elements and goes into the destination.</summary>
internal unsafe interface IFinish<TVector>
    where TVector : unmanaged
{
    /// <summary>Bytes per source element.</summary>
    static abstract int SourceSize { get; }

    /// <summary>Bytes per destination element.</summary>
    static abstract int DestinationSize { get; }

    /// <summary>Reads and writes as many elements as the register has.</summary>
    static abstract void Store(TVector sums, byte* source, byte* destination);
}
