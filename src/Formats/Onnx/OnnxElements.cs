using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Onnx;

/// <summary>ONNX's numbers for element types (TensorProto.DataType), as far as they are whole bytes and real.</summary>
internal static class OnnxElements
{
    private static readonly (int Number, DType Type)[] Types =
    [
        (1, DType.F32), (2, DType.U8), (3, DType.I8), (4, DType.U16), (5, DType.I16), (6, DType.I32), (7, DType.I64), (9, DType.Bool),
        (10, DType.F16), (11, DType.F64), (12, DType.U32), (13, DType.U64), (16, DType.BF16),
    ];

    /// <summary>The type of a number; null where it is another.</summary>
    public static DType? TypeOf(int number) => Array.FindIndex(Types, t => t.Number == number) is >= 0 and var at ? Types[at].Type : null;

    /// <summary>The number of a type; null where it has none here.</summary>
    public static int? NumberOf(DType type) => Array.FindIndex(Types, t => t.Type == type) is >= 0 and var at ? Types[at].Number : null;
}
