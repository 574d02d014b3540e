using LoraKit.Formats.Containers;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Onnx;

/// <summary>
/// ONNX Runtime's .onnx_adapter: a flatbuffer of named tensors, with the identifier <c>TORT</c>, and <c>GAIL</c> as ONNX Runtime GenAI first wrote it. See
/// spec/layouts/onnx.md, "Containers".
/// </summary>
internal static class OnnxAdapterFile
{
    public const string ContainerName = "onnx_adapter";

    /// <summary>The format version that is read and written.</summary>
    public const int Version = 1;

    /// <exception cref="InvalidFileException">It is no valid flatbuffer of tensors.</exception>
    /// <exception cref="UnsupportedException">It is of another version, or has tensors of a type that is not read.</exception>
    public static TensorContainer Read(OpenFile file)
    {
        FlatBuffer buffer = new(file);
        Span<byte> identifier = stackalloc byte[4];
        file.Read(4, identifier);
        // Before its tensors TORT also has a version of the adapter and one of the model.
        int field = identifier.SequenceEqual("GAIL"u8) ? 1 : 3;
        long root = buffer.Root;
        int version = buffer.Field(root, 0) is { } stated ? buffer.Int32(stated) : 0;
        if (version != Version) throw file.Unsupported($"is an ONNX Runtime adapter of format version {version}; version {Version} is read");

        TensorPlacement placement = new(file, new RecentBytes());
        List<PlacedTensor> tensors = [];
        HashSet<string> names = new(StringComparer.Ordinal);
        if (buffer.Field(root, field) is { } parameters)
        {
            (long start, long count) = buffer.Vector(parameters, 4);
            for (long i = 0; i < count; i++)
            {
                long table = buffer.Follow(start + (4 * i));
                string name = buffer.Field(table, 0) is { } text ? buffer.Text(text) : throw file.Invalid($"has a tensor without a name at byte {table}");
                // At once, and not when all are read: many entries may point to the same few bytes.
                if (!names.Add(name)) throw file.Invalid("stands twice in the file", name);
                tensors.Add(Tensor(file, buffer, table, name, placement));
            }
        }

        return new(file, ContainerName, tensors, new Dictionary<string, string>());
    }

    private static PlacedTensor Tensor(OpenFile file, FlatBuffer buffer, long table, string name, TensorPlacement placement)
    {
        int type = buffer.Field(table, 2) is { } stated ? buffer.Int32(stated) : 0;
        DType dtype = OnnxElements.TypeOf(type) ?? throw file.Unsupported($"has ONNX's element type {type}; the floats and whole numbers of whole bytes are read", name);
        long[] sizes = buffer.Field(table, 1) is { } dims ? Sizes(file, buffer, dims, name) : [];
        (long start, long length) = buffer.Field(table, 3) is { } data ? buffer.Vector(data, 1) : (0, 0);
        PlacedTensor tensor = placement.Place(name, dtype, sizes, TensorPlacement.Strides(sizes, fortran: false), 0, new FileRange(file, start, length), 0);
        return tensor.Info.ByteLength == length
            ? tensor
            : throw file.Invalid($"{dtype.FileName()} {tensor.Info.Shape} takes {tensor.Info.ByteLength} bytes; the file has {length}", name);
    }

    private static long[] Sizes(OpenFile file, FlatBuffer buffer, long field, string name)
    {
        const int most = 64;
        (long start, long count) = buffer.Vector(field, 8);
        if (count > most) throw file.Invalid($"has {count} dimensions; at most {most} are expected", name);
        long[] sizes = new long[count];
        for (int i = 0; i < sizes.Length; i++)
        {
            sizes[i] = buffer.Int64(start + (8L * i));
        }

        return sizes;
    }
}
