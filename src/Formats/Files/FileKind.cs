using System.Buffers.Binary;
using System.Text;

namespace LoraKit.Formats.Files;

/// <summary>What a file really is, told by its first bytes, not by its name.</summary>
public enum FileKind : byte
{
    /// <summary>None of the others; safetensors files are among these, for they have no magic number.</summary>
    Unknown,

    /// <summary>No bytes at all.</summary>
    Empty,

    /// <summary>The text that Git LFS leaves in place of a file it did not fetch.</summary>
    GitLfsPointer,

    /// <summary>A web page, as a failed download saves it.</summary>
    Html,

    /// <summary>An XML document, such as the error of a storage server.</summary>
    Xml,

    /// <summary>A zip archive: PyTorch's .pt and .bin files, .npz, .ckpt.</summary>
    Zip,

    /// <summary>A bare Python pickle: PyTorch files before 1.6.</summary>
    Pickle,

    /// <summary>A GGUF model or adapter.</summary>
    Gguf,

    /// <summary>A NumPy array (.npy).</summary>
    Npy,

    /// <summary>An HDF5 file: Keras weights.</summary>
    Hdf5,

    /// <summary>A gzip stream.</summary>
    Gzip,

    /// <summary>An ONNX Runtime adapter: a flatbuffer with the identifier TORT or GAIL.</summary>
    OnnxAdapter,

    /// <summary>JSON text.</summary>
    Json,

    /// <summary>Other text.</summary>
    Text,
}

/// <summary>Telling file kinds apart, and saying what to do about them.</summary>
public static class FileKinds
{
    /// <summary>How many bytes of a file's start suffice for <see cref="Detect"/>.</summary>
    public const int BytesNeeded = 512;

    /// <summary>Tells what kind of file begins with these bytes.</summary>
    /// <param name="start">The first <see cref="BytesNeeded"/> bytes, or the whole file where it is shorter.</param>
    public static FileKind Detect(ReadOnlySpan<byte> start)
    {
        if (start.IsEmpty) return FileKind.Empty;
        if (start.StartsWith("version https://git-lfs"u8)) return FileKind.GitLfsPointer;
        if (start.StartsWith("PK\x03\x04"u8) || start.StartsWith("PK\x05\x06"u8)) return FileKind.Zip;
        if (start.StartsWith("GGUF"u8)) return FileKind.Gguf;
        if (start.StartsWith<byte>([0x93, .. "NUMPY"u8])) return FileKind.Npy;
        if (start.StartsWith<byte>([0x89, .. "HDF\r\n"u8])) return FileKind.Hdf5;
        if (start.StartsWith<byte>([0x1F, 0x8B, 0x08])) return FileKind.Gzip;
        if (start.Length >= 8 && (start[4..].StartsWith("TORT"u8) || start[4..].StartsWith("GAIL"u8))) return FileKind.OnnxAdapter;
        if (IsPickle(start)) return FileKind.Pickle;
        return IsText(start) ? DetectText(start) : FileKind.Unknown;
    }

    /// <summary>What it is, and what someone who wanted weights can do; null for <see cref="FileKind.Unknown"/>.</summary>
    public static string? Explain(this FileKind kind) => kind switch
    {
        FileKind.Empty => "the file is empty (0 bytes); fetch or write it again",
        FileKind.GitLfsPointer => "this is a Git LFS pointer, the weights were not fetched; run 'git lfs pull' in its repository",
        FileKind.Html => "this is an HTML page, probably saved in place of a download that failed; download the file again",
        FileKind.Xml => "this is an XML document, probably saved in place of a download that failed; download the file again",
        FileKind.Zip => "this is a zip archive (a PyTorch .pt/.bin or .npz file under another name); save the weights as safetensors",
        FileKind.Pickle => "this is a Python pickle (a PyTorch file under another name); save the weights as safetensors",
        FileKind.Gguf => "this is a GGUF file; only adapters are read from one",
        FileKind.Npy => "this is a NumPy array under another name; save the weights as safetensors",
        FileKind.Hdf5 => "this is an HDF5 file under another name; save the weights as safetensors",
        FileKind.Gzip => "this is gzip-compressed; decompress it first",
        FileKind.OnnxAdapter => "this is an ONNX Runtime adapter; only adapters are read from one",
        FileKind.Json => "this is JSON text without tensor data; choose the file that holds the weights",
        FileKind.Text => "this is a text file; choose the file that holds the weights",
        _ => null,
    };

    // A protocol opcode (0x80, 2 to 5). 0x0280 = 640 is also the length of a small safetensors header, but zeros follow it; from
    // protocol 4 on a frame opcode and the frame's length follow.
    private static bool IsPickle(ReadOnlySpan<byte> start)
    {
        if (start.Length < 3 || start[0] != 0x80 || start[1] is < 2 or > 5) return false;
        if (start.Length < 8) return true;
        if (start.Length >= 11 && start[2] == 0x95) return BinaryPrimitives.ReadUInt64LittleEndian(start[3..]) < 1UL << 40;
        return BinaryPrimitives.ReadUInt64LittleEndian(start) > uint.MaxValue;
    }

    private static FileKind DetectText(ReadOnlySpan<byte> start)
    {
        ReadOnlySpan<byte> text = start.StartsWith("\uFEFF"u8) ? start[3..] : start;
        text = text.TrimStart(" \t\r\n"u8);
        if (BeginsWith(text, "<!doctype html"u8) || BeginsWith(text, "<html"u8) || BeginsWith(text, "<head"u8)) return FileKind.Html;
        if (text.StartsWith("<?xml"u8)) return FileKind.Xml;
        return !text.IsEmpty && text[0] is (byte)'{' or (byte)'[' ? FileKind.Json : FileKind.Text;
    }

    private static bool BeginsWith(ReadOnlySpan<byte> text, ReadOnlySpan<byte> word) =>
        text.Length >= word.Length && Ascii.EqualsIgnoreCase(text[..word.Length], word);

    // The first eight bytes decide: a safetensors length below 100 MB has zeros among them, text has none.
    private static bool IsText(ReadOnlySpan<byte> start)
    {
        foreach (byte b in start)
        {
            if (b < 0x20 && b is not ((byte)'\t' or (byte)'\n' or (byte)'\r')) return false;
        }

        return true;
    }
}
