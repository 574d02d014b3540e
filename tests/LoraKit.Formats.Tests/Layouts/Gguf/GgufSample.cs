using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Containers;
using LoraKit.Formats.Gguf;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Layouts.Gguf;

/// <summary>Adapters in memory and in llama.cpp's files, with seeded values, and its orders of rows by the definition.</summary>
internal static class GgufSample
{
    public static readonly BaseFacts Llama = new() { Architecture = "llama", Heads = 4, KeyValueHeads = 2 };

    public static double[] Random(long count, int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, (int)count).Select(_ => Math.Round((random.NextDouble() - 0.5) * 64) / 16)];
    }

    public static MemoryTensor Tensor(DType dtype, long[] shape, double[] values) =>
        new("t", dtype, new TensorShape(shape), new TestTensor("t", dtype, shape, values).Bytes());

    /// <summary>A module with seeded factors.</summary>
    public static LowRankDelta Lora(string module, long rank, long @out, long @in, double scale, DType dtype = DType.F32, bool isEmbedding = false) => new(
        new(new(module), "weight"), Tensor(dtype, [rank, @in], Random(rank * @in, module.Length)), Tensor(dtype, [@out, rank], Random(@out * rank, module.Length + 7)),
        scale, scale * rank, WeightOrientation.OutIn)
    {
        IsEmbedding = isEmbedding,
    };

    public static Adapter Adapter(BaseFacts? facts, params IReadOnlyList<AdapterDelta> deltas) => new("a", "gguf", null) { Deltas = deltas, Base = facts };

    /// <summary>What an adapter's file has.</summary>
    public static GgufBytes File(string architecture = "llama", double? alpha = 8)
    {
        GgufBytes file = new GgufBytes().Key("general.architecture", architecture).Key("general.type", "adapter").Key("adapter.type", "lora");
        return alpha is null ? file : file.Key("adapter.lora.alpha", (float)alpha);
    }

    public static T Read<T>(GgufBytes file, BaseFacts? facts, Func<Adapter, T> use)
    {
        using TempFolder folder = new();
        System.IO.File.WriteAllBytes(folder["a.gguf"], file.ToArray());
        using Adapter adapter = AdapterLayouts.Open(folder["a.gguf"], new() { Base = facts });
        Assert.Equal("gguf", adapter.Layout);
        return use(adapter);
    }

    /// <summary>Saves, and opens the file and the adapter again.</summary>
    public static void Written(Adapter adapter, Action<GgufFile, Adapter> check)
    {
        using TempFolder folder = new();
        AdapterFiles planned = AdapterLayouts.Named("gguf").Write(adapter);
        Assert.Equal(planned.Bytes, AdapterLayouts.Save(adapter, folder["a.gguf"], new() { Flush = false }));
        using GgufFile file = (GgufFile)TensorFiles.Open(folder["a.gguf"]);
        Assert.Equal(planned.Bytes, new FileInfo(folder["a.gguf"]).Length);
        using Adapter again = AdapterLayouts.Open(folder["a.gguf"]);
        check(file, again);
    }

    public static double[] Values(GgufFile file, string tensor)
    {
        Assert.True(file.TryGetTensor(tensor, out TensorInfo? info), tensor);
        return new StoredTensor(file, info).ToDoubles();
    }

    /// <summary>llama.cpp's permute: reshape(heads, 2, d/2, columns), axes 1 and 2 swapped, flattened again.</summary>
    public static double[] Permute(double[] rows, int heads, int columns)
    {
        int d = rows.Length / columns / heads;
        double[] result = new double[rows.Length];
        for (int h = 0; h < heads; h++)
        {
            for (int half = 0; half < 2; half++)
            {
                for (int j = 0; j < d / 2; j++)
                {
                    for (int c = 0; c < columns; c++)
                    {
                        result[((((h * d / 2) + j) * 2) + half) * columns + c] = rows[((((h * 2) + half) * (d / 2)) + j) * columns + c];
                    }
                }
            }
        }

        return result;
    }
}
