namespace LoraKit.Ops;

/// <summary>How far an operation has come.</summary>
/// <param name="BytesDone">Output bytes finished.</param>
/// <param name="BytesTotal">Output bytes in all.</param>
/// <param name="Current">The tensor or file in work; hostile text until it is escaped.</param>
public readonly record struct OpProgress(long BytesDone, long BytesTotal, string Current);
