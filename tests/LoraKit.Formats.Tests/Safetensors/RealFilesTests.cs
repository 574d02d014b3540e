using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Safetensors;

/// <summary>Every safetensors file that other programs wrote opens, or is refused for the reason its inventory gives.</summary>
public sealed class RealFilesTests
{
    private static readonly Dictionary<string, string> Refused = new()
    {
        ["duplicate_keys_in_header.safetensors"] = "stands twice",
        ["header_size_too_big.safetensors"] = "the header",
        ["zero_len_file.safetensors"] = "empty (0 bytes)",
        ["Alien Style.safetensors"] = "JSON text",
        ["shinkai_makoto_offset.safetensors"] = "JSON text",
        ["peft_adapter_model.safetensors"] = "JSON text",
        ["EasyNegative.safetensors"] = "JSON text",
    };

    [Fact]
    public void Every_file_opens_or_is_refused_for_its_reason()
    {
        Assert.SkipWhen(Paths.RealData is null, "no files of other programs on this machine");
        string[] files = Directory.GetFiles(Paths.RealData!, "*.safetensors", SearchOption.AllDirectories);
        Assert.True(files.Length >= 40, $"only {files.Length} files");
        int refused = 0;
        foreach (string path in files)
        {
            if (Refused.TryGetValue(Path.GetFileName(path), out string? reason))
            {
                refused++;
                InvalidFileException e = Assert.Throws<InvalidFileException>(() => SafetensorsFile.Open(path));
                Assert.Contains(reason, e.Message);
                Assert.Contains(Path.GetFileName(path), e.Message);
                Assert.Equal(path, e.File);
                continue;
            }

            using SafetensorsFile file = SafetensorsFile.Open(path);
            Assert.Equal(new FileInfo(path).Length, file.Header.FileLength);
            Assert.Equal(file.Header.FileLength - file.Header.DataOffset, file.Tensors.Sum(tensor => tensor.ByteLength));
        }

        Assert.Equal(Refused.Count, refused);
    }

    [Fact]
    public void The_inventory_counts_the_same_tensors()
    {
        Assert.SkipWhen(Paths.RealData is null, "no files of other programs on this machine");
        int compared = 0;
        foreach (string line in File.ReadLines(Path.Combine(Paths.RealData!, "INVENTORY.md")))
        {
            string[] cells = [.. line.Split('|', StringSplitOptions.TrimEntries)];
            if (cells.Length < 8 || !cells[2].EndsWith(".safetensors") || Refused.ContainsKey(Path.GetFileName(cells[2]))) continue;
            using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(Paths.RealData!, cells[2]));
            Assert.Equal(int.Parse(cells[6]), file.Tensors.Count);
            Assert.Equal(
                cells[7].Split(' ', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal),
                file.Tensors.CountBy(tensor => tensor.DType.FileName()).Select(pair => $"{pair.Key}:{pair.Value}").Order(StringComparer.Ordinal));
            compared++;
        }

        Assert.True(compared >= 38, $"only {compared} files compared");
    }
}
