using System.Text.Json.Nodes;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Merge;
using LoraKit.Ops.Tests.Compute;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Unmerge;

/// <summary>merge --undo and back gives the base byte for byte, whatever was merged.</summary>
public class RestoreTests
{
    public static TheoryData<DType, string> TypesAndBackends
    {
        get
        {
            TheoryData<DType, string> cases = [];
            foreach (DType type in new[] { DType.BF16, DType.F16, DType.F32, DType.F64, DType.F8E4M3, DType.F8E5M2 })
            {
                foreach (string backend in ComputeBackends.Names) cases.Add(type, backend);
            }

            return cases;
        }
    }

    /// <summary>Odd sizes, a rank above a dimension, unequal ranks, scales other than one, a negative weight, NaN and zeros of both signs.</summary>
    [Theory]
    [MemberData(nameof(TypesAndBackends))]
    public void EveryTypeComesBack(DType type, string backend)
    {
        using TempFolder temp = new();
        Random random = new(3);
        TestTensor q = Merging.Random("model.layers.0.q.weight", type, random, 37, 53);
        TestTensor v = Merging.Random("model.layers.0.v.weight", type, random, 3, 53);
        TestTensor conv = Merging.Random("model.conv.weight", type, random, 6, 5, 3, 3);
        (q.Values[5], q.Values[6], q.Values[7]) = (double.NaN, -0.0, 0.0);
        if (type != DType.F8E4M3) (q.Values[8], q.Values[9]) = (double.PositiveInfinity, double.NegativeInfinity);
        for (int i = 106; i < 159; i++) q.Values[i] = 0; // A row of zeros: nothing tells them but the record.
        string @base = Restoring.Shards(temp, [q, Merging.Random("model.norm.weight", type, random, 16)], [v, conv]);
        PeftFolder one = new(temp["one"], 5, 8), two = new(temp["two"], 2, 3);
        one.Linear("model.layers.0.q", 37, 53, random);
        one.Linear("model.layers.0.v", 3, 53, random);
        one.Add("base_model.model.model.conv.lora_A.weight", DType.F32, [5, 5, 3, 3], PeftFolder.Values(random, 225, DType.F32));
        one.Add("base_model.model.model.conv.lora_B.weight", DType.F32, [6, 5, 1, 1], PeftFolder.Values(random, 30, DType.F32));
        two.Linear("model.layers.0.q", 37, 53, random, DType.F16);
        MergeOptions options = Merging.Options(@base, one.Save(), temp["out"]) with { Adapters = [new(one.Path, 0.7), new(two.Save(), -1.5)] };
        using var compute = ComputeBackends.Create(backend);
        var report = Restoring.RoundTrip(temp, options, compute: compute);
        Assert.Equal((4, 3, 1), (report.TensorsTotal, report.TensorsRestored, report.TensorsCopied));
    }

    [Theory]
    [InlineData(null, 65536)]
    [InlineData(100, 64)]
    [InlineData(5000, 200)]
    [InlineData(5000, 1)]
    public void NeitherTilesNorThreadsNorBlocksMatter(int? tileBytes, int blockElements)
    {
        using TempFolder temp = new();
        (string @base, string adapter) = Model(temp, DType.BF16);
        byte[]? first = null;
        foreach (int threads in new[] { 1, 4 })
        {
            MergeOptions options = Merging.Options(@base, adapter, temp["out"]) with
            {
                TileBytes = tileBytes,
                UndoBlockElements = blockElements,
                Threads = threads,
                Overwrite = true,
            };
            Restoring.RoundTrip(temp, options, o => o with { TileBytes = tileBytes * 2, Threads = 5 - threads, Overwrite = true });
            byte[] record = File.ReadAllBytes(temp["undo.safetensors"]);
            Assert.Equal(first ?? record, record);
            first = record;
        }

        Merging.Run(Merging.Options(@base, adapter, temp["other"]) with { UndoRecord = temp["other.safetensors"], UndoBlockElements = blockElements });
        Assert.Equal(first, File.ReadAllBytes(temp["other.safetensors"]));
    }

    /// <summary>Lossy casts, other files, other names: what the merged model no longer shows is in the record.</summary>
    [Theory]
    [InlineData(DType.F32, DType.BF16, null)]
    [InlineData(DType.F64, DType.F16, 700L)]
    [InlineData(DType.F16, DType.F32, null)]
    [InlineData(DType.BF16, DType.F16, 1L << 40)]
    [InlineData(DType.BF16, null, 700L)]
    public void CastsAndOtherFilesComeBack(DType type, DType? outputType, long? shardBytes)
    {
        using TempFolder temp = new();
        (string @base, string adapter) = Model(temp, type);
        Restoring.RoundTrip(temp, Merging.Options(@base, adapter, temp["out"]) with { OutputType = outputType, MaxShardBytes = shardBytes });
    }

    [Theory]
    [InlineData(33, 1)]
    [InlineData(30, 1)]
    [InlineData(30, 0.25)]
    [InlineData(27, 1)]
    public void ReplacedValuesComeBack(int vocabulary, double weight)
    {
        using TempFolder temp = new();
        Random random = new(4);
        string @base = Restoring.Shards(
            temp,
            [Merging.Random("model.embed_tokens.weight", DType.BF16, random, 30, 16), Merging.Random("model.layers.0.q.weight", DType.BF16, random, 37, 16)],
            [Merging.Random("lm_head.weight", DType.F32, random, 30, 16)]);
        PeftFolder adapter = new(temp["adapter"], 2, 4);
        adapter.Linear("model.layers.0.q", 37, 16, random);
        adapter.Linear("lm_head", vocabulary, 16, random);
        adapter.Add("base_model.model.model.embed_tokens.weight", DType.F32, [vocabulary, 16], PeftFolder.Values(random, vocabulary * 16, DType.F32));
        adapter.Add("base_model.model.lm_head.weight", DType.F32, [vocabulary, 16], PeftFolder.Values(random, vocabulary * 16, DType.F32));
        adapter.Save();
        foreach (int? tile in new int?[] { null, 64 })
        {
            Restoring.RoundTrip(
                temp,
                Merging.Options(@base, adapter.Path, temp["out"]) with { Adapters = [new(adapter.Path, weight)], TileBytes = tile, UndoBlockElements = tile ?? 65536, Overwrite = true },
                o => o with { Overwrite = true, TileBytes = tile });
        }
    }

    [Fact]
    public void ReplacedRowsComeBack()
    {
        using TempFolder temp = new();
        Random random = new(4);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], Merging.Random("model.embed_tokens.weight", DType.F16, random, 10, 4));
        PeftFolder adapter = new(temp["adapter"], 2, 4);
        adapter.Config["trainable_token_indices"] = new JsonArray(2, 7);
        adapter.Add("base_model.model.model.embed_tokens.trainable_tokens_delta", DType.F32, [2, 4], PeftFolder.Values(random, 8, DType.F32));
        adapter.Save();
        Restoring.RoundTrip(temp, Merging.Options(temp["base"], adapter.Path, temp["out"]) with { Adapters = [new(adapter.Path, 0.5)] });
    }

    /// <summary>A head that the base lacks, its prefix, and a tied head that was untied are gone again.</summary>
    [Fact]
    public void NewTensorsAndNamesGo()
    {
        using TempFolder temp = new();
        Random random = new(1);
        SafetensorsBytes.Write(
            temp["base", "model.safetensors"], Merging.Random("wte.weight", DType.F32, random, 5, 3), Merging.Random("h.0.q.weight", DType.F32, random, 4, 3));
        File.WriteAllText(temp["base", "config.json"], "{\"tie_word_embeddings\":  true}");
        PeftFolder adapter = new(temp["adapter"], 1, 1);
        adapter.Linear("transformer.h.0.q", 4, 3, random);
        adapter.Add("base_model.model.lm_head.weight", DType.F32, [5, 3], PeftFolder.Values(random, 15, DType.F32));
        adapter.Config["modules_to_save"] = new JsonArray("lm_head");
        adapter.Save();
        Restoring.RoundTrip(temp, Merging.Options(temp["base"], adapter.Path, temp["out"]));
        Assert.NotEqual(File.ReadAllBytes(temp["base", "config.json"]), File.ReadAllBytes(temp["out", "config.json"]));
        Assert.Contains("transformer.wte.weight", SafetensorsBytes.Read(temp["out", "model.safetensors"]).Keys);
    }

    [Fact]
    public void AFileComesBackAsAFile()
    {
        using TempFolder temp = new();
        Random random = new(2);
        SafetensorsBytes.Write(temp["base.safetensors"], Merging.Random("x.weight", DType.F16, random, 5, 7));
        PeftFolder adapter = new(temp["adapter"], 2, 2);
        adapter.Linear("x", 5, 7, random);
        adapter.Save();
        Merging.Run(Merging.Options(temp["base.safetensors"], adapter.Path, temp["out.safetensors"]) with { UndoRecord = temp["undo.safetensors"] });
        Restoring.Run(Restoring.Options(temp, "back.safetensors") with { Merged = temp["out.safetensors"] });
        Restoring.Run(Restoring.Options(temp, "folder") with { Merged = temp["out.safetensors"] });
        Assert.Equal(File.ReadAllBytes(temp["base.safetensors"]), File.ReadAllBytes(temp["back.safetensors"]));
        Assert.Equal(File.ReadAllBytes(temp["base.safetensors"]), File.ReadAllBytes(temp["folder", "base.safetensors"]));
    }

    internal static (string Base, string Adapter) Model(TempFolder temp, DType type)
    {
        Random random = new(1);
        string @base = Restoring.Shards(
            temp,
            [Merging.Random("model.embed_tokens.weight", type, random, 30, 16), Merging.Random("model.layers.0.q.weight", type, random, 37, 53)],
            [Merging.Random("model.layers.0.v.weight", type, random, 9, 16), Merging.Random("model.norm.weight", type, random, 16)]);
        PeftFolder adapter = new(temp["adapter"], 5, 8);
        adapter.Linear("model.layers.0.q", 37, 53, random);
        adapter.Linear("model.layers.0.v", 9, 16, random);
        return (@base, adapter.Save());
    }
}
