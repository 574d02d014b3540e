using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Gguf;

/// <summary>How ggml stores a tensor's elements: in blocks along the innermost dimension. Source: ggml.h, GGML_QUANT_SIZES of gguf-py.</summary>
/// <param name="Id">Its number in files.</param>
/// <param name="Name">As ggml spells it: <c>Q8_0</c>.</param>
/// <param name="BlockElements">Elements per block; rows are whole blocks.</param>
/// <param name="BlockBytes">Bytes per block.</param>
/// <param name="DType">The element type, where each element is one number of whole bytes; null for the quantised ones.</param>
internal sealed record GgmlType(uint Id, string Name, int BlockElements, int BlockBytes, DType? DType = null)
{
    private const int Super = 256; // QK_K

    public static readonly GgmlType Q8_0 = new(8, "Q8_0", 32, 34);

    private static readonly GgmlType[] All =
    [
        Plain(0, Tensors.DType.F32), Plain(1, Tensors.DType.F16), Plain(24, Tensors.DType.I8), Plain(25, Tensors.DType.I16), Plain(26, Tensors.DType.I32),
        Plain(27, Tensors.DType.I64), Plain(28, Tensors.DType.F64), Plain(30, Tensors.DType.BF16),
        new(2, "Q4_0", 32, 18), new(3, "Q4_1", 32, 20), new(6, "Q5_0", 32, 22), new(7, "Q5_1", 32, 24), Q8_0, new(9, "Q8_1", 32, 36),
        new(10, "Q2_K", Super, 84), new(11, "Q3_K", Super, 110), new(12, "Q4_K", Super, 144), new(13, "Q5_K", Super, 176), new(14, "Q6_K", Super, 210),
        new(15, "Q8_K", Super, 292), new(16, "IQ2_XXS", Super, 66), new(17, "IQ2_XS", Super, 74), new(18, "IQ3_XXS", Super, 98), new(19, "IQ1_S", Super, 50),
        new(20, "IQ4_NL", 32, 18), new(21, "IQ3_S", Super, 110), new(22, "IQ2_S", Super, 82), new(23, "IQ4_XS", Super, 136), new(29, "IQ1_M", Super, 56),
        new(34, "TQ1_0", Super, 54), new(35, "TQ2_0", Super, 66), new(39, "MXFP4", 32, 17), new(40, "NVFP4", 64, 36),
    ];

    /// <summary>The type of a number; null where it is not known.</summary>
    public static GgmlType? Find(uint id) => Array.Find(All, type => type.Id == id);

    /// <summary>The type that stores an element type as it is; null where ggml has none.</summary>
    public static GgmlType? Of(DType dtype) => Array.Find(All, type => type.DType == dtype);

    /// <summary>Bytes of a tensor, checked.</summary>
    /// <exception cref="OverflowException">They do not fit in 64 bits.</exception>
    /// <exception cref="ArgumentException">The innermost dimension is no whole number of blocks.</exception>
    public long Bytes(TensorShape shape)
    {
        long row = shape.Rank == 0 ? 1 : shape[shape.Rank - 1];
        if (row % BlockElements != 0) throw new ArgumentException($"{Name} has blocks of {BlockElements} elements, and rows of {row} are no whole number of them");
        return checked(shape.ElementCount / BlockElements * BlockBytes);
    }

    private static GgmlType Plain(uint id, DType dtype) => new(id, dtype.FileName(), 1, dtype.Bytes(), dtype);
}
