namespace LoraKit.Formats.Tensors;

/// <summary>
/// The 22 element types of safetensors. The order is the reference implementation's enum order: its writer sorts by it, descending.
/// </summary>
public enum DType : byte
{
    /// <summary>Boolean, one byte.</summary>
    Bool,

    /// <summary>4-bit float (e2m1).</summary>
    F4,

    /// <summary>6-bit float, 2 exponent and 3 mantissa bits.</summary>
    F6E2M3,

    /// <summary>6-bit float, 3 exponent and 2 mantissa bits.</summary>
    F6E3M2,

    /// <summary>Unsigned 8-bit integer.</summary>
    U8,

    /// <summary>Signed 8-bit integer.</summary>
    I8,

    /// <summary>8-bit float, 5 exponent and 2 mantissa bits, with infinities.</summary>
    F8E5M2,

    /// <summary>8-bit float, 4 exponent and 3 mantissa bits, finite (no infinities).</summary>
    F8E4M3,

    /// <summary>8-bit power-of-two scale.</summary>
    F8E8M0,

    /// <summary>8-bit float e4m3, finite, no negative zero.</summary>
    F8E4M3Fnuz,

    /// <summary>8-bit float e5m2, finite, no negative zero.</summary>
    F8E5M2Fnuz,

    /// <summary>Signed 16-bit integer.</summary>
    I16,

    /// <summary>Unsigned 16-bit integer.</summary>
    U16,

    /// <summary>IEEE half precision.</summary>
    F16,

    /// <summary>bfloat16: the upper half of a single.</summary>
    BF16,

    /// <summary>Signed 32-bit integer.</summary>
    I32,

    /// <summary>Unsigned 32-bit integer.</summary>
    U32,

    /// <summary>IEEE single precision.</summary>
    F32,

    /// <summary>Complex of two singles.</summary>
    C64,

    /// <summary>IEEE double precision.</summary>
    F64,

    /// <summary>Signed 64-bit integer.</summary>
    I64,

    /// <summary>Unsigned 64-bit integer.</summary>
    U64,
}

/// <summary>Names and sizes of the element types.</summary>
public static class DTypes
{
    private static readonly string[] FileNames =
    [
        "BOOL", "F4", "F6_E2M3", "F6_E3M2", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ",
        "I16", "U16", "F16", "BF16", "I32", "U32", "F32", "C64", "F64", "I64", "U64",
    ];

    private static readonly byte[] BitSizes = [8, 4, 6, 6, 8, 8, 8, 8, 8, 8, 8, 16, 16, 16, 16, 32, 32, 32, 64, 64, 64, 64];

    /// <summary>Every element type, in enum order.</summary>
    public static IReadOnlyList<DType> All { get; } = Enum.GetValues<DType>();

    /// <summary>The name as files spell it: <c>BF16</c>, <c>F8_E4M3</c>.</summary>
    public static string FileName(this DType dtype) => FileNames[(int)dtype];

    /// <summary>Bits per element: 4, 6, 8, 16, 32 or 64.</summary>
    public static int Bits(this DType dtype) => BitSizes[(int)dtype];

    /// <summary>Bytes per element; 0 for the types smaller than a byte.</summary>
    public static int Bytes(this DType dtype) => BitSizes[(int)dtype] / 8;

    /// <summary>Whether the values can be read as one real number each and written back rounded to nearest even.</summary>
    public static bool IsMergeable(this DType dtype) =>
        dtype is DType.F16 or DType.BF16 or DType.F32 or DType.F64 or DType.F8E4M3 or DType.F8E5M2;

    /// <summary>Reads a file's spelling; case matters.</summary>
    /// <param name="name">The name as UTF-8.</param>
    /// <param name="dtype">The element type.</param>
    public static bool TryParse(ReadOnlySpan<byte> name, out DType dtype)
    {
        for (int i = 0; i < FileNames.Length; i++)
        {
            if (name.Length == FileNames[i].Length && System.Text.Ascii.Equals(name, FileNames[i]))
            {
                dtype = (DType)i;
                return true;
            }
        }

        dtype = default;
        return false;
    }
}
