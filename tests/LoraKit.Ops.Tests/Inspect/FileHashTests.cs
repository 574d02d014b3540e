using System.IO.Hashing;
using System.Security.Cryptography;
using LoraKit.Ops.Inspect;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Inspect;

public sealed class FileHashTests
{
    private static readonly InspectOptions Hashing = new() { Hashes = true };

    /// <summary>sd-scripts wrote both hashes into the metadata of these files.</summary>
    [Theory]
    [InlineData("smart_falcon_4_lokr.safetensors")]
    [InlineData("smart_falcon_8_lokr.safetensors")]
    public void AreThoseThatSdScriptsWrote(string name)
    {
        Assert.SkipWhen(Paths.RealData is null, "the real files are not on this machine");
        string file = Path.Combine(Paths.RealData!, "diffusion", "KohakuBlueleaf__LyCORIS", "result", name);
        AdapterInspection inspection = AdapterInspection.Open(file, Hashing);
        Assert.Equal(inspection.Metadata["sshs_model_hash"], inspection.Hashes!.SshsModelHash);
        Assert.Equal(inspection.Metadata["sshs_legacy_hash"], inspection.Hashes.SshsLegacyHash);
    }

    /// <summary>The definition, on the file as sd-scripts hashes it: with the <c>ss_</c> keys alone.</summary>
    [Theory]
    [InlineData(100)]
    [InlineData(262_000)]
    [InlineData(270_000)]
    [InlineData(600_000)]
    public void FollowTheirDefinition(int elements)
    {
        using TempFolder folder = new();
        float[] values = [.. Enumerable.Range(0, elements).Select(i => (float)i)];
        Dictionary<string, (long[], float[])> tensors = new() { ["x"] = ([elements], values) };
        string hashed = WrittenFile.Create(folder["hashed.safetensors"], tensors, new Dictionary<string, string> { ["ss_a"] = "1\n" });
        string full = WrittenFile.Create(folder["full.safetensors"], tensors, new Dictionary<string, string>
        {
            ["ss_a"] = "1\n",
            ["sshs_model_hash"] = "whatever",
            ["modelspec.title"] = "not hashed",
        });
        byte[] bytes = File.ReadAllBytes(hashed);
        int start = 8 + (int)BitConverter.ToInt64(bytes);
        int legacyStart = Math.Min(0x100000, bytes.Length);
        FileHashes hashes = AdapterInspection.Open(full, Hashing).Hashes!;
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(bytes.AsSpan(start))), hashes.SshsModelHash);
        Assert.Equal(
            Convert.ToHexStringLower(SHA256.HashData(bytes.AsSpan(legacyStart, Math.Min(0x10000, bytes.Length - legacyStart))))[..8], hashes.SshsLegacyHash);
        byte[] own = File.ReadAllBytes(full);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(own)), hashes.Sha256);
        Assert.Equal(Convert.ToHexStringLower(XxHash128.Hash(own)), hashes.XxHash128);
    }

    [Fact]
    public void AHeaderOfMoreThanAMegabyteIsHashedToo()
    {
        using TempFolder folder = new();
        Dictionary<string, (long[], float[])> tensors = new() { ["x"] = ([3], [1, 2, 3]) };
        string file = WrittenFile.Create(folder["x.safetensors"], tensors, new Dictionary<string, string> { ["ss_long"] = new('a', 1_048_600) });
        byte[] bytes = File.ReadAllBytes(file);
        Assert.Equal(
            Convert.ToHexStringLower(SHA256.HashData(bytes.AsSpan(0x100000)))[..8], AdapterInspection.Open(file, Hashing).Hashes!.SshsLegacyHash);
    }
}
