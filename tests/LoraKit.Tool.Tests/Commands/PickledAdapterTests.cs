using LoraKit.Tests;
using static LoraKit.Tests.PickleBytes;

namespace LoraKit.Tool.Tests.Commands;

/// <summary>What the commands say of pickles: good ones are read, others stop them with one line and leave nothing.</summary>
public sealed class PickledAdapterTests
{
    public static TheoryData<byte[], string> Refused => new()
    {
        { Of(Call("os", "system", Text("touch pwned"))), "refused: os.system" },
        { Of(Dict(("base_model.model.q_proj.lora_A.weight", Tensor("FloatStorage", "0", 2, 4)))), "which the file does not hold" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void MergeStopsAndLeavesNothing(byte[] pickle, string reason)
    {
        using TempFolder folder = new();
        string adapter = Pickled(folder["a"], TorchBytes.Zip(pickle));
        Stops(folder, adapter, reason);
    }

    [Fact]
    public void AZipBombStopsTheMerge()
    {
        using TempFolder folder = new();
        byte[] zeros = new byte[1 << 20];
        byte[] bomb = new ZipBytes
        {
            new ZipPart("x/data.pkl", Of(None)), Enumerable.Range(0, 400).Select(i => new ZipPart($"x/data/{i}", zeros) { Deflate = true }),
        }.ToArray();
        Stops(folder, Pickled(folder["a"], bomb), "zip bomb");
    }

    [Fact]
    public void InspectNamesTheContainerAndHasNoHashesOfAnother()
    {
        using TempFolder folder = new();
        byte[] factors = new byte[32];
        factors[3] = 0x40; // 2.0
        string adapter = Pickled(folder["a"], TorchBytes.Zip(
            Of(Dict(
                ("base_model.model.q_proj.lora_A.weight", Tensor("FloatStorage", "0", 2, 4)),
                ("base_model.model.q_proj.lora_B.weight", Tensor("FloatStorage", "1", 3, 2)))),
            ("0", factors), ("1", factors[..24])));
        ToolRun run = ToolRun.Of("inspect", adapter, "--hash", "--json", "--quiet");
        Assert.Equal(0, run.Code);
        Assert.Equal("pickle", run.Json.GetProperty("container").GetString());
        Assert.Equal("peft", run.Json.GetProperty("layout").GetString());
        Assert.Equal(64, run.Json.GetProperty("hashes").GetProperty("sha256").GetString()!.Length);
        Assert.Null(run.Json.GetProperty("hashes").GetProperty("sshs_model_hash").GetString());
        string text = ToolRun.Of("inspect", adapter, "--hash").Output;
        Assert.Contains("sha256", text);
        Assert.DoesNotContain("sshs", text);
    }

    private static void Stops(TempFolder folder, string adapter, string reason)
    {
        string @base = TensorFile.WriteBase(folder["b", "model.safetensors"]);
        string[] before = Directory.GetFileSystemEntries(folder.Path, "*", SearchOption.AllDirectories);
        ToolRun run = ToolRun.Of("merge", "--base", @base, "--adapter", adapter, "--out", folder["out.safetensors"], "--json", "--quiet", "--no-fsync");
        Assert.Equal(2, run.Code);
        Assert.Equal("invalid_file", run.Json.GetProperty("error").GetProperty("code").GetString());
        Assert.Contains(reason, run.Json.GetProperty("error").GetProperty("message").GetString());
        Assert.Equal(before, Directory.GetFileSystemEntries(folder.Path, "*", SearchOption.AllDirectories));
    }

    private static string Pickled(string folder, byte[] file)
    {
        TensorFile.WriteAdapter(folder);
        File.Delete(Path.Combine(folder, "adapter_model.safetensors"));
        File.WriteAllBytes(Path.Combine(folder, "adapter_model.bin"), file);
        return folder;
    }
}
