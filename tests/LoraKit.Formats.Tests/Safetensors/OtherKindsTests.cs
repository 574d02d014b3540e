using LoraKit.Formats.Files;
using LoraKit.Formats.Safetensors;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Safetensors;

/// <summary>Other files under the name of a safetensors file are told apart, and the message says what to do.</summary>
public sealed class OtherKindsTests
{
    [Theory]
    [InlineData("git-lfs-pointer.safetensors", FileKind.GitLfsPointer, "git lfs pull")]
    [InlineData("html-page.safetensors", FileKind.Html, "download the file again")]
    [InlineData("xml-error.safetensors", FileKind.Xml, "download the file again")]
    [InlineData("zip.safetensors", FileKind.Zip, "zip archive")]
    [InlineData("pickle.safetensors", FileKind.Pickle, "pickle")]
    [InlineData("gguf.safetensors", FileKind.Gguf, "GGUF")]
    [InlineData("npy.safetensors", FileKind.Npy, "NumPy")]
    [InlineData("json.safetensors", FileKind.Json, "JSON text")]
    [InlineData("text.safetensors", FileKind.Text, "text file")]
    public void A_fixture_is_named_for_what_it_is(string file, FileKind kind, string advice)
    {
        string path = Paths.Fixture("safetensors", file);
        Assert.Equal(kind, FileKinds.Detect(File.ReadAllBytes(path)));
        InvalidFileException e = Assert.Throws<InvalidFileException>(() => SafetensorsFile.Open(path));
        Assert.Contains(kind.Explain()!, e.Message);
        Assert.Contains(advice, e.Message);
        Assert.Contains(file, e.Message);
        Assert.IsType<InvalidFileException>(e.InnerException);
    }

    [Fact]
    public void An_empty_file_is_named_as_such()
    {
        using TempFolder folder = new();
        File.WriteAllBytes(folder["empty.safetensors"], []);
        Assert.Contains("empty (0 bytes)", Assert.Throws<InvalidFileException>(() => SafetensorsFile.Open(folder["empty.safetensors"])).Message);
    }

    public static TheoryData<byte[], FileKind> Starts => new()
    {
        { [], FileKind.Empty },
        { [.. "PK"u8, 5, 6], FileKind.Zip },
        { [0x80, 2, .. "}q\0."u8], FileKind.Pickle },
        { [0x80, 4, 0x95, 10, 0, 0, 0, 0, 0, 0, 0, .. "}."u8], FileKind.Pickle },
        { [0x89, .. "HDF\r\n\u001a\n"u8], FileKind.Hdf5 },
        { [0x1F, 0x8B, 8, 0], FileKind.Gzip },
        { [.. "\uFEFF<!DOCTYPE html>"u8], FileKind.Html },
        { [.. "\n\n  <HTML lang=en>"u8], FileKind.Html },
        { [.. "Not Found"u8], FileKind.Text },
        { [.. " [1]"u8], FileKind.Json },
        { [0, 1, 2, 3], FileKind.Unknown },
        { [.. "   "u8], FileKind.Text },
        { HeaderCase.FileOf("{}"), FileKind.Unknown },
        { [0x80, 2, 0, 0, 0, 0, 0, 0, .. "{}"u8], FileKind.Unknown }, // The length 640.
    };

    [Theory]
    [MemberData(nameof(Starts))]
    public void The_first_bytes_tell(byte[] start, FileKind kind) => Assert.Equal(kind, FileKinds.Detect(start));

    // A broken file of the right kind keeps its own reason.
    [Fact]
    public void A_broken_header_is_not_called_another_kind()
    {
        using TempFolder folder = new();
        File.WriteAllBytes(folder["x.safetensors"], HeaderCase.FileOf("<html>"));
        Assert.Contains("not valid JSON", Assert.Throws<InvalidFileException>(() => SafetensorsFile.Open(folder["x.safetensors"])).Message);
    }
}
