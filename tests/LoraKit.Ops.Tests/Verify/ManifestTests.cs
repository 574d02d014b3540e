using System.Security.Cryptography;
using LoraKit.Formats;
using LoraKit.Ops.Verify;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Verify;

/// <summary>Hashes as sha256sum lists them.</summary>
public sealed class ManifestTests
{
    [Fact]
    public void Files_have_the_hashes_that_are_listed()
    {
        using TempFolder folder = new();
        SafetensorsBytes.Write(folder["m", "model.safetensors"], new TestTensor("w", Formats.Tensors.DType.F32, [2], [1, 2]));
        Directory.CreateDirectory(folder["m", "sub"]);
        File.WriteAllText(folder["m", "sub", "a b.txt"], "text");
        string hash = Hash(folder["m", "model.safetensors"]);
        File.WriteAllText(folder["SUMS"], $"# made by hand\n{hash}  model.safetensors\r\n\n{Hash(folder["m", "sub", "a b.txt"]).ToUpperInvariant()} *./sub/a b.txt\n");
        Assert.Empty(Run(folder).Findings);
        Assert.Empty(Verification.Run(new(folder["m", "model.safetensors"]) { Manifest = folder["SUMS"] }).Findings);

        File.AppendAllText(folder["m", "sub", "a b.txt"], "!");
        File.AppendAllText(folder["SUMS"], $"{hash}  gone.json\n");
        Assert.Equal(
            [("hash_mismatch", folder["m", "sub/a b.txt"]), ("missing_file", folder["m", "gone.json"])],
            Run(folder).Findings.Select(f => (f.Code, f.File!)).Order());
    }

    [Theory]
    [InlineData("")]
    [InlineData("# nothing\n")]
    [InlineData("abc  model.safetensors\n")]
    [InlineData("HASH model.safetensors\n")]
    [InlineData("HASH  \n")]
    [InlineData("HASH  ../model.safetensors\n")]
    [InlineData("HASH  /etc/passwd\n")]
    [InlineData("\\HASH  model.safetensors\n")]
    [InlineData("gHASH  model.safetensors\n")]
    public void What_is_no_list_stops(string text)
    {
        using TempFolder folder = new();
        SafetensorsBytes.Write(folder["m", "model.safetensors"], new TestTensor("w", Formats.Tensors.DType.F32, [2], [1, 2]));
        File.WriteAllText(folder["SUMS"], text.Replace("HASH", Hash(folder["m", "model.safetensors"]), StringComparison.Ordinal));
        Assert.Equal(folder["SUMS"], Assert.Throws<InvalidFileException>(() => Run(folder)).File);
        Assert.Throws<InputNotFoundException>(() => Verification.Run(new(folder["m"]) { Manifest = folder["none"] }));
    }

    private static Verification Run(TempFolder folder) => Verification.Run(new(folder["m"]) { Manifest = folder["SUMS"] });

    private static string Hash(string file) => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file)));
}
