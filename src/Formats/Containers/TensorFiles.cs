using LoraKit.Formats.Files;
using LoraKit.Formats.Gguf;
using LoraKit.Formats.Npz;
using LoraKit.Formats.Onnx;
using LoraKit.Formats.Pickle;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;
using LoraKit.Formats.Zip;

namespace LoraKit.Formats.Containers;

/// <summary>Opening a tensor file in whatever container it is: told by its bytes, not by its name.</summary>
public static class TensorFiles
{
    /// <summary>Opens a safetensors file, a file of torch.save (both of its forms), an .npz archive, an ONNX Runtime adapter or a GGUF file. Nothing in a pickle is executed.</summary>
    /// <param name="path">The file; symbolic links are followed.</param>
    /// <exception cref="InputNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidFileException">It is none of these, is damaged, or is a pickle that names anything but tensors and plain values.</exception>
    /// <exception cref="UnsupportedException">It is one of these and holds what LoraKit has no tensors for: complex or big-endian numbers, say.</exception>
    public static ITensorSource Open(string path)
    {
        OpenFile file = OpenFile.Open(path);
        try
        {
            ITensorSource? opened = KindOf(file) switch
            {
                FileKind.Zip => OfZip(file),
                FileKind.Gguf => GgufFile.Read(file),
                FileKind.OnnxAdapter => OnnxAdapterFile.Read(file),
                FileKind.Pickle => LegacyTorchFile.Read(file),
                _ => null,
            };
            if (opened is not null) return opened;
        }
        catch
        {
            file.Dispose();
            throw;
        }

        file.Dispose();
        return SafetensorsFile.Open(path);
    }

    private static FileKind KindOf(OpenFile file)
    {
        Span<byte> start = stackalloc byte[FileKinds.BytesNeeded];
        start = start[..(int)Math.Min(start.Length, file.Length)];
        file.Read(0, start);
        return FileKinds.Detect(start);
    }

    private static TensorContainer OfZip(OpenFile file)
    {
        ZipDirectory zip = ZipDirectory.Read(file);
        if (TorchZip.Is(zip)) return TorchZip.Read(zip);
        if (NpzFile.Is(zip)) return NpzFile.Read(zip);
        throw file.Invalid("is a zip archive with neither data.pkl (a file of torch.save) nor .npy members (an .npz file); "
            + "expected one of these; if it packs a weights file, unpack it and name that");
    }
}
