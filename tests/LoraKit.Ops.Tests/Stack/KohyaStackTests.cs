using LoraKit.Formats;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Stack;

/// <summary>Files of another layout: combined in their own, never mixed.</summary>
public sealed class KohyaStackTests
{
    private const string Module = "lora_unet_down_blocks_0_attentions_0_proj_in";

    [Fact]
    public void Kohya_files_give_a_kohya_file_with_its_alpha()
    {
        using TempFolder temp = new();
        Write(temp["a.safetensors"], 1, 3, 6);
        Write(temp["b.safetensors"], 2, 2, 0.5);
        AdapterInput[] inputs = [new(temp["a.safetensors"], 0.7), new(temp["b.safetensors"], -2)];
        Stacking.Run(Stacking.Options(temp["out.safetensors"], "cat", inputs));
        foreach ((string name, List<double[,]> tasks) in Stacking.Tasks(inputs))
        {
            Stacking.AssertClose(Stacking.Sum(tasks), Stacking.Updates(temp["out.safetensors"])[name]);
        }

        using SafetensorsFile file = SafetensorsFile.Open(temp["out.safetensors"]);
        Assert.Equal(new TensorShape(5, 7, 3, 3), file.Tensors.Single(t => t.Name == $"{Module}.lora_down.weight").Shape);
        Assert.Equal([5], SafetensorsBytes.Read(temp["out.safetensors"])[$"{Module}.alpha"].Values);
    }

    [Fact]
    public void Layouts_are_not_mixed()
    {
        using TempFolder temp = new();
        Write(temp["a.safetensors"], 1, 3, 6);
        Stacking.Adapter(temp["b"], 1, 2, 2, DType.F32, ("q", 4, 5));
        Assert.Contains("convert one of them first", Assert.Throws<UnsupportedException>(() => Stacking.Run(
            Stacking.Options(temp["out.safetensors"], "cat", new(temp["a.safetensors"]), new(temp["b"])))).Message);
        Assert.False(Path.Exists(temp["out.safetensors"]));
    }

    private static void Write(string path, int seed, int rank, double alpha)
    {
        Random random = new(seed);
        SafetensorsBytes.Write(
            path,
            new TestTensor($"{Module}.lora_down.weight", DType.F32, [rank, 7, 3, 3], PeftFolder.Values(random, rank * 63, DType.F32)),
            new TestTensor($"{Module}.lora_up.weight", DType.F32, [9, rank, 1, 1], PeftFolder.Values(random, 9 * rank, DType.F32)),
            new TestTensor($"{Module}.alpha", DType.F32, [], [alpha]));
    }
}
