using System.Text.Json.Nodes;
using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge;

/// <summary>What the output consists of, and that its bytes depend on the inputs alone.</summary>
public class MergeOutputTests
{
    [Fact]
    public void BytesDoNotDependOnThreadsTilesOrWidth()
    {
        using TempFolder temp = new();
        (string @base, string adapter) = Model(temp);
        MergeOptions options = Merging.Options(@base, adapter, temp["one"]) with { Threads = 1 };
        Merging.Run(options);
        Dictionary<string, byte[]> first = Merging.Bytes(temp["one"]);
        int run = 0;
        foreach (int threads in new[] { 1, 2, 5 })
        {
            foreach (int? tile in new int?[] { null, 100, 4096 })
            {
                foreach (SimdWidth width in Enum.GetValues<SimdWidth>().Where(SimdCompute.IsSupported))
                {
                    string output = temp[$"run{run++}"];
                    Merging.Run(options with { Threads = threads, TileBytes = tile, Output = output }, new SimdCompute(width));
                    Assert.Equal(first, Merging.Bytes(output));
                }
            }
        }
    }

    [Fact]
    public void UntouchedBytesHeadersAndOtherFilesAreKept()
    {
        using TempFolder temp = new();
        (string @base, string adapter) = Model(temp);
        Directory.CreateDirectory(temp["base", "1_Pooling"]);
        File.WriteAllText(temp["base", "1_Pooling", "config.json"], "{}");
        File.WriteAllText(temp["base", "tokenizer.json"], "{\"é\": 1}");
        File.WriteAllText(temp["base", "pytorch_model.bin"], "weights of another format");
        File.WriteAllText(temp["base", "adapter_config.json"], "{}");
        Dictionary<string, byte[]> before = Merging.Bytes(@base);
        MergeReport report = Merging.Run(Merging.Options(@base, adapter, temp["out"]));

        Assert.Equal(before, Merging.Bytes(@base));
        Dictionary<string, byte[]> after = Merging.Bytes(temp["out"]);
        Assert.Equal(
            ["1_Pooling/config.json", "config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json", "tokenizer.json"],
            after.Keys.Select(k => k.Replace('\\', '/')).Order(StringComparer.Ordinal));
        foreach (string name in after.Keys.Where(k => !k.EndsWith(".safetensors")))
        {
            Assert.Equal(before[name], after[name]);
        }

        foreach (string name in after.Keys.Where(k => k.EndsWith(".safetensors")))
        {
            int header = 8 + (int)BitConverter.ToInt64(before[name], 0);
            Assert.Equal(before[name].Length, after[name].Length);
            Assert.Equal(before[name][..header], after[name][..header]);
        }

        var merged = SafetensorsBytes.Read(temp["out", "model-00002-of-00002.safetensors"]);
        Assert.Equal(SafetensorsBytes.Read(temp["base", "model-00002-of-00002.safetensors"])["model.norm.weight"].Values, merged["model.norm.weight"].Values);
        Assert.Equal((5, 2, 3), (report.TensorsTotal, report.TensorsChanged, report.TensorsCopied));
        Assert.Equal(after.Values.Sum(b => (long)b.Length), report.BytesWritten);
    }

    [Fact]
    public void ShardsAreSplitAndIndexed()
    {
        using TempFolder temp = new();
        (string @base, string adapter) = Model(temp);
        Merging.Run(Merging.Options(@base, adapter, temp["whole"]));
        Merging.Run(Merging.Options(@base, adapter, temp["split"]) with { MaxShardBytes = 1500 });
        string[] files = [.. Directory.GetFiles(temp["split"], "*.safetensors").Select(f => Path.GetFileName(f)!).Order()];
        Assert.True(files.Length > 2);
        Assert.Equal($"model-00001-of-{files.Length:D5}.safetensors", files[0]);
        JsonNode index = JsonNode.Parse(File.ReadAllText(temp["split", "model.safetensors.index.json"]))!;
        var whole = Directory.GetFiles(temp["whole"], "*.safetensors").SelectMany(SafetensorsBytes.Read).ToDictionary();
        long total = 0;
        foreach (string file in files)
        {
            foreach ((string name, var tensor) in SafetensorsBytes.Read(temp["split", file]))
            {
                Assert.Equal(file, (string?)index["weight_map"]![name]);
                Assert.Equal(whole[name].Values, tensor.Values);
                total += tensor.Values.Length * tensor.DType.Bytes();
                whole.Remove(name);
            }
        }

        Assert.Empty(whole);
        Assert.Equal(total, (long)index["metadata"]!["total_size"]!);

        Merging.Run(Merging.Options(@base, adapter, temp["joined"]) with { MaxShardBytes = 1L << 40 });
        Assert.True(File.Exists(temp["joined", "model.safetensors"]));
        Assert.False(File.Exists(temp["joined", "model.safetensors.index.json"]));
    }

    [Fact]
    public void ASingleFileGivesASingleFile()
    {
        using TempFolder temp = new();
        Random random = new(2);
        SafetensorsBytes.Write(temp["base.safetensors"], Merging.Random("x.weight", DType.F16, random, 5, 7));
        PeftFolder adapter = new(temp["adapter"], 2, 2);
        adapter.Linear("x", 5, 7, random);
        adapter.Save();
        Merging.Run(Merging.Options(temp["base.safetensors"], adapter.Path, temp["out.safetensors"]));
        Merging.Run(Merging.Options(temp["base.safetensors"], adapter.Path, temp["folder"]));
        Assert.Equal(File.ReadAllBytes(temp["out.safetensors"]), File.ReadAllBytes(temp["folder", "base.safetensors"]));
        Assert.NotEqual(File.ReadAllBytes(temp["base.safetensors"]), File.ReadAllBytes(temp["out.safetensors"]));
    }

    [Fact]
    public void TheElementTypeChangesWhereItCan()
    {
        using TempFolder temp = new();
        Random random = new(2);
        TestTensor single = Merging.Random("a.weight", DType.F32, random, 5, 7);
        TestTensor integer = new("b.ids", DType.F8E5M2, [4], [1, 2, 3, 4]);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], single, integer, Merging.Random("x.weight", DType.F16, random, 5, 7));
        File.WriteAllText(temp["base", "config.json"], "{\"torch_dtype\": \"float32\", \"k\":  1, \"text_config\": {\"dtype\": \"float32\"}}");
        PeftFolder adapter = new(temp["adapter"], 2, 2);
        adapter.Linear("x", 5, 7, random);
        adapter.Save();
        Merging.Run(Merging.Options(temp["base"], adapter.Path, temp["out"]) with { OutputType = DType.BF16 });
        var merged = SafetensorsBytes.Read(temp["out", "model.safetensors"]);
        Assert.Equal((DType.BF16, DType.F8E5M2, DType.BF16), (merged["a.weight"].DType, merged["b.ids"].DType, merged["x.weight"].DType));
        Assert.Equal(single.Values.Select(v => Merging.Rounded(v, DType.BF16)), merged["a.weight"].Values);
        Assert.Equal("{\"torch_dtype\": \"bfloat16\", \"k\":  1, \"text_config\": {\"dtype\": \"bfloat16\"}}", File.ReadAllText(temp["out", "config.json"]));
    }

    [Fact]
    public void AGrownVocabularyReachesTheConfiguration()
    {
        using TempFolder temp = new();
        Random random = new(4);
        SafetensorsBytes.Write(
            temp["base", "model.safetensors"],
            Merging.Random("model.embed_tokens.weight", DType.BF16, random, 10, 4), Merging.Random("lm_head.weight", DType.BF16, random, 10, 4));
        File.WriteAllText(temp["base", "config.json"], "{\n  \"vocab_size\": 10,\n  \"tie_word_embeddings\": false\n}\n");
        PeftFolder adapter = new(temp["adapter"], 2, 4);
        double[] grown = PeftFolder.Values(random, 13 * 4, DType.F32), head = PeftFolder.Values(random, 13 * 4, DType.F32);
        adapter.Add("base_model.model.model.embed_tokens.weight", DType.F32, [13, 4], grown);
        adapter.Add("base_model.model.lm_head.weight", DType.F32, [13, 4], head);
        adapter.Save();
        Merging.Run(Merging.Options(temp["base"], adapter.Path, temp["out"]) with { TileBytes = 40 });
        var merged = SafetensorsBytes.Read(temp["out", "model.safetensors"]);
        Assert.Equal(grown.Select(v => Merging.Rounded(v, DType.BF16)), merged["model.embed_tokens.weight"].Values);
        Assert.Equal(head.Select(v => Merging.Rounded(v, DType.BF16)), merged["lm_head.weight"].Values);
        Assert.Equal("{\n  \"vocab_size\": 13,\n  \"tie_word_embeddings\": false\n}\n", File.ReadAllText(temp["out", "config.json"]));

        // Only one of the two: a model that cannot be.
        PeftFolder half = new(temp["half"], 2, 4);
        half.Add("base_model.model.model.embed_tokens.weight", DType.F32, [13, 4], grown);
        half.Save();
        Assert.Contains("lm_head", Assert.Throws<TargetMismatchException>(() => Merging.Run(Merging.Options(temp["base"], half.Path, temp["no"]))).Message);
        Assert.False(Path.Exists(temp["no"]));
    }

    [Fact]
    public void AnUpdateOfATiedHeadGoesToTheEmbedding()
    {
        using TempFolder temp = new();
        Random random = new(4);
        TestTensor embedding = Merging.Random("model.embed_tokens.weight", DType.F32, random, 10, 4);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], embedding);
        File.WriteAllText(temp["base", "config.json"], "{\"tie_word_embeddings\": true}");
        PeftFolder adapter = new(temp["adapter"], 1, 2);
        (double[] a, double[] b) = adapter.Linear("lm_head", 10, 4, random);
        adapter.Save();
        using (MergePlan plan = MergePlan.Create(Merging.Options(temp["base"], adapter.Path, temp["out"])))
        {
            Assert.Contains(plan.Warnings, w => w.Contains("tied"));
            plan.Run(new SimdCompute());
        }

        double[] expected = [.. embedding.Values.Select((w, i) => w + (2 * b[i / 4] * a[i % 4]))];
        Merging.AssertClose(expected, [.. expected.Select(_ => 3.0)], SafetensorsBytes.Read(temp["out", "model.safetensors"])["model.embed_tokens.weight"].Values, DType.F32, 1);

        // Trained in full, the head becomes a tensor of its own.
        PeftFolder replaced = new(temp["replaced"], 1, 2);
        double[] head = PeftFolder.Values(random, 40, DType.F32);
        replaced.Add("base_model.model.lm_head.weight", DType.F32, [10, 4], head);
        replaced.Config["modules_to_save"] = new JsonArray("lm_head");
        replaced.Save();
        Merging.Run(Merging.Options(temp["base"], replaced.Path, temp["untied"]));
        var merged = SafetensorsBytes.Read(temp["untied", "model.safetensors"]);
        Assert.Equal(head, merged["lm_head.weight"].Values);
        Assert.Equal(embedding.Values, merged["model.embed_tokens.weight"].Values);
        Assert.Equal("{\"tie_word_embeddings\": false}", File.ReadAllText(temp["untied", "config.json"]));
    }

    /// <summary>PEFT's ensure_weight_tying stores the embedding's factors for the head too, transposed: one update of one tensor.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void TheSameUpdateOfBothTiedEndsIsAddedOnce(bool same)
    {
        using TempFolder temp = new();
        Random random = new(4);
        TestTensor embedding = Merging.Random("model.embed_tokens.weight", DType.F32, random, 10, 4);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], embedding);
        PeftFolder adapter = new(temp["adapter"], 2, 4);
        double[] a = PeftFolder.Values(random, 2 * 10, DType.F32), b = PeftFolder.Values(random, 4 * 2, DType.F32);
        adapter.Add("base_model.model.model.embed_tokens.lora_embedding_A", DType.F32, [2, 10], a);
        adapter.Add("base_model.model.model.embed_tokens.lora_embedding_B", DType.F32, [4, 2], b);
        adapter.Add("base_model.model.lm_head.lora_A.weight", DType.F32, [2, 4], Transposed(b, 4, 2));
        double[] up = Transposed(a, 2, 10);
        if (!same) up[3] += 1;
        adapter.Add("base_model.model.lm_head.lora_B.weight", DType.F32, [10, 2], up);
        adapter.Save();
        MergeOptions options = Merging.Options(temp["base"], adapter.Path, temp["out"]);
        if (!same)
        {
            Assert.Contains("differently", Assert.Throws<TargetMismatchException>(() => Merging.Run(options)).Message);
            return;
        }

        Merging.Run(options);
        double[] expected = [.. embedding.Values.Select((w, i) => w + (2 * ((a[i / 4] * b[i % 4 * 2]) + (a[10 + (i / 4)] * b[(i % 4 * 2) + 1]))))];
        Merging.AssertClose(expected, [.. expected.Select(_ => 5.0)], SafetensorsBytes.Read(temp["out", "model.safetensors"])["model.embed_tokens.weight"].Values, DType.F32, 2);

        static double[] Transposed(double[] values, int rows, int columns) =>
            [.. Enumerable.Range(0, values.Length).Select(i => values[(i % rows * columns) + (i / rows)])];
    }

    /// <summary>A resized vocabulary saved under both names of one tied tensor stays one tensor.</summary>
    [Fact]
    public void TheSameValuesForBothTiedEndsStayOne()
    {
        using TempFolder temp = new();
        Random random = new(4);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], Merging.Random("model.embed_tokens.weight", DType.F32, random, 10, 4));
        File.WriteAllText(temp["base", "config.json"], "{\"vocab_size\": 10, \"tie_word_embeddings\": true}");
        PeftFolder adapter = new(temp["adapter"], 2, 4);
        double[] grown = PeftFolder.Values(random, 12 * 4, DType.F32);
        adapter.Add("base_model.model.lm_head.weight", DType.F32, [12, 4], grown);
        adapter.Add("base_model.model.model.embed_tokens.weight", DType.F32, [12, 4], grown);
        adapter.Save();
        Merging.Run(Merging.Options(temp["base"], adapter.Path, temp["out"]));
        var merged = SafetensorsBytes.Read(temp["out", "model.safetensors"]);
        Assert.Equal(["model.embed_tokens.weight"], merged.Keys);
        Assert.Equal(grown, merged["model.embed_tokens.weight"].Values);
        Assert.Equal("{\"vocab_size\": 12, \"tie_word_embeddings\": true}", File.ReadAllText(temp["out", "config.json"]));
    }

    /// <summary>A base in two shards and an adapter for two of its five tensors.</summary>
    private static (string Base, string Adapter) Model(TempFolder temp)
    {
        Random random = new(1);
        TestTensor[] first = [Merging.Random("model.embed_tokens.weight", DType.BF16, random, 30, 16), Merging.Random("model.layers.0.q.weight", DType.BF16, random, 37, 16)];
        TestTensor[] second =
        [
            Merging.Random("model.layers.0.v.weight", DType.BF16, random, 9, 16), Merging.Random("model.norm.weight", DType.BF16, random, 16),
            Merging.Random("lm_head.weight", DType.BF16, random, 30, 16),
        ];
        SafetensorsBytes.Write(temp["base", "model-00001-of-00002.safetensors"], first);
        SafetensorsBytes.Write(temp["base", "model-00002-of-00002.safetensors"], second);
        JsonObject map = [];
        foreach (TestTensor tensor in first) map[tensor.Name] = "model-00001-of-00002.safetensors";
        foreach (TestTensor tensor in second) map[tensor.Name] = "model-00002-of-00002.safetensors";
        JsonObject index = new() { ["metadata"] = new JsonObject { ["total_size"] = first.Concat(second).Sum(t => t.Values.Length * 2) }, ["weight_map"] = map };
        File.WriteAllText(temp["base", "model.safetensors.index.json"], index.ToJsonString());
        File.WriteAllText(temp["base", "config.json"], "{\"model_type\": \"llama\"}");
        PeftFolder adapter = new(temp["adapter"], 5, 8);
        adapter.Linear("model.layers.0.q", 37, 16, random);
        adapter.Linear("model.layers.0.v", 9, 16, random);
        return (temp["base"], adapter.Save());
    }
}
