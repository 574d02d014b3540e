using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Undo;

/// <summary>The names of a record's tensors and metadata. All tensors are bytes.</summary>
internal static class UndoNames
{
    public const string Format = "lorakit-undo";
    public const string Manifest = "manifest";
    public const string ManifestHash = "manifest_xxh128";

    public static string Codes(string tensor) => $"codes:{tensor}";

    public static string Header(string file) => $"header:{file}";

    public static string File(string file) => $"file:{file}";

    /// <summary>Bytes under such a name.</summary>
    public static TensorToWrite Bytes(string name, byte[] bytes) =>
        TensorToWrite.Of(new MemoryTensor(name, DType.U8, new(bytes.Length), bytes));
}
