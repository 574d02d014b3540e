namespace LoraKit.Formats.Tensors.Floats;

/// <summary>
/// Singles side by side in one register, and their bits: what an algorithm needs to be written once for every register width.
/// Masks are lanes of all ones or all zeros; comparisons of bits are as signed integers.
/// </summary>
/// <typeparam name="TSingles">Count singles.</typeparam>
/// <typeparam name="TBits">The same register as Count 32-bit integers.</typeparam>
internal unsafe interface ILanes<TSingles, TBits> : IProductLanes<TSingles, float>
    where TSingles : unmanaged
    where TBits : unmanaged
{
    static abstract TBits Create(uint value);

    static abstract TBits AsBits(TSingles value);

    static abstract TSingles AsSingles(TBits value);

    static abstract TSingles Subtract(TSingles left, TSingles right);

    static abstract TSingles Multiply(TSingles left, TSingles right);

    /// <summary>Integers below 2²⁴ to singles, exactly.</summary>
    static abstract TSingles ConvertToSingles(TBits value);

    static abstract TBits Add(TBits left, TBits right);

    static abstract TBits Subtract(TBits left, TBits right);

    static abstract TBits And(TBits left, TBits right);

    static abstract TBits Or(TBits left, TBits right);

    static abstract TBits ShiftLeft(TBits value, int count);

    static abstract TBits ShiftRight(TBits value, int count);

    static abstract TBits Min(TBits left, TBits right);

    static abstract TBits Equal(TBits left, TBits right);

    static abstract TBits GreaterThan(TBits left, TBits right);

    /// <summary>False where either is NaN.</summary>
    static abstract TBits GreaterThan(TSingles left, TSingles right);

    static abstract TBits IsNaN(TSingles value);

    static abstract TBits Select(TBits mask, TBits whenSet, TBits whenClear);

    static abstract bool Any(TBits mask);

    /// <summary>Count bytes, each widened with zeros.</summary>
    static abstract TBits LoadBytes(byte* source);

    /// <summary>Count 16-bit words, each widened with zeros.</summary>
    static abstract TBits LoadWords(byte* source);

    /// <summary>Count 16-bit words, each in the high half of its lane; the low half is zero.</summary>
    static abstract TBits LoadHighWords(byte* source);

    /// <summary>The low byte of each lane; the rest of the lane is zero.</summary>
    static abstract void StoreBytes(TBits value, byte* destination);

    /// <summary>The low word of each lane; the rest of the lane is zero.</summary>
    static abstract void StoreWords(TBits value, byte* destination);

    /// <summary>The high word of each lane.</summary>
    static abstract void StoreHighWords(TBits value, byte* destination);
}
