namespace LoraKit.Formats.Gguf;

/// <summary>The types of GGUF's values, by their numbers in the file.</summary>
internal enum GgufValueType : uint
{
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    String,
    Array,
    U64,
    I64,
    F64,
}

/// <summary>Their sizes.</summary>
internal static class GgufValueTypes
{
    /// <summary>Bytes per value; 0 for strings and arrays, which say how long they are.</summary>
    public static int Bytes(this GgufValueType type) => type switch
    {
        GgufValueType.U8 or GgufValueType.I8 or GgufValueType.Bool => 1,
        GgufValueType.U16 or GgufValueType.I16 => 2,
        GgufValueType.U32 or GgufValueType.I32 or GgufValueType.F32 => 4,
        GgufValueType.U64 or GgufValueType.I64 or GgufValueType.F64 => 8,
        _ => 0,
    };
}
