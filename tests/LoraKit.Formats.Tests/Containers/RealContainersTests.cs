using System.IO.Compression;
using LoraKit.Formats.Containers;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Containers;

/// <summary>Every pickle and .npz that other programs wrote is read; .NET's own zip reader says what the bytes must be.</summary>
public sealed class RealContainersTests
{
    private static readonly Dictionary<string, string> InventoryNames = new() { ["Float"] = "F32", ["<f2"] = "F16", ["<f4"] = "F32" };

    [Fact]
    public void The_inventory_counts_the_same_tensors()
    {
        Assert.SkipWhen(Paths.RealData is null, "no files of other programs on this machine");
        int compared = 0;
        foreach (string line in File.ReadLines(Path.Combine(Paths.RealData!, "INVENTORY.md")))
        {
            string[] cells = [.. line.Split('|', StringSplitOptions.TrimEntries)];
            if (cells.Length < 8 || Path.GetExtension(cells[2]) is not (".bin" or ".pt" or ".npz")) continue;
            using ITensorSource file = TensorFiles.Open(Path.Combine(Paths.RealData!, cells[2]));
            Assert.Equal(cells[2].EndsWith(".npz") ? "npz" : "pickle", file.Container);
            string[] expected = cells[7].Split(':');
            Assert.Equal(int.Parse(expected[1]), file.Tensors.Count);
            Assert.All(file.Tensors, tensor => Assert.Equal(InventoryNames[expected[0]], tensor.DType.FileName()));
            compared++;
        }

        Assert.Equal(18, compared);
    }

    [Fact]
    public void Every_tensor_has_the_bytes_of_its_member()
    {
        Assert.SkipWhen(Paths.RealData is null, "no files of other programs on this machine");
        int tensors = 0;
        foreach (string path in Directory.GetFiles(Paths.RealData!, "*", SearchOption.AllDirectories).Where(p => Path.GetExtension(p) is ".bin" or ".pt" or ".npz"))
        {
            using ITensorSource file = TensorFiles.Open(path);
            using ZipArchive zip = System.IO.Compression.ZipFile.OpenRead(path);
            if (file.Container == "npz")
            {
                foreach (TensorInfo tensor in file.Tensors)
                {
                    byte[] array = Content(zip.GetEntry(tensor.Name + ".npy")!);
                    Assert.Equal(array[^(int)tensor.ByteLength..], OpenedTensors.Bytes(file, tensor));
                    Assert.Contains($"({string.Join(", ", tensor.Shape.Sizes)})", System.Text.Encoding.Latin1.GetString(array, 0, 128));
                }
            }
            else
            {
                // torch.save numbers storages as it meets them, and these tensors have one each.
                Dictionary<string, byte[]> members = zip.Entries.Where(e => e.FullName.Contains("/data/")).ToDictionary(e => e.Name, Content);
                Assert.Equal(members.Count, file.Tensors.Count);
                for (int i = 0; i < file.Tensors.Count; i++)
                {
                    Assert.Equal(members[$"{i}"], OpenedTensors.Bytes(file, file.Tensors[i]));
                }
            }

            tensors += file.Tensors.Count;
        }

        Assert.Equal(690, tensors);
    }

    private static byte[] Content(ZipArchiveEntry entry)
    {
        using Stream stream = entry.Open();
        MemoryStream bytes = new();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }
}
