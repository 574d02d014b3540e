namespace LoraKit.Formats.Tensors.Floats;

/// <summary>Numbers side by side in one register, as far as a sum of products needs them.</summary>
/// <typeparam name="TVector">Count numbers.</typeparam>
/// <typeparam name="T">One of them.</typeparam>
internal unsafe interface IProductLanes<TVector, T>
    where TVector : unmanaged
    where T : unmanaged
{
    /// <summary>How many.</summary>
    static abstract int Count { get; }

    static abstract TVector Create(T value);

    /// <summary>Reads Count numbers; no alignment is needed.</summary>
    static abstract TVector Load(T* source);

    /// <summary>Writes Count numbers; no alignment is needed.</summary>
    static abstract void Store(TVector value, T* destination);

    static abstract TVector Add(TVector left, TVector right);

    /// <summary>The same numbers with every sign changed, zeros' too.</summary>
    static abstract TVector Negate(TVector value);

    /// <summary>left · right + addend, rounded once.</summary>
    static abstract TVector MultiplyAdd(TVector left, TVector right, TVector addend);
}
