using LoraKit.Formats;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Conversion;
using LoraKit.Ops.Merge;
using LoraKit.Ops.Tests.Compute;
using LoraKit.Ops.Tests.Conversion;
using LoraKit.Ops.Tests.Unmerge;
using LoraKit.Ops.Unmerge;
using LoraKit.Ops.Verify;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge.Gguf;

/// <summary>Adapters with Hugging Face's names into a GGUF base: the same bits as in Hugging Face's files, in the places that llama.cpp has them.</summary>
public class GgufBaseTests
{
    private const int Rank = 5;
    private const double Weight = -0.75;

    private static readonly string[] Modules =
    [
        "model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.k_proj", "model.layers.0.self_attn.v_proj", "model.layers.0.self_attn.o_proj",
        "model.layers.0.mlp.gate_proj", "model.layers.0.mlp.down_proj", "lm_head",
    ];

    public static IEnumerable<TheoryDataRow<DType, string>> Cases() =>
        from dtype in (DType[])[DType.F32, DType.F16, DType.BF16]
        from backend in ComputeBackends.Names
        select new TheoryDataRow<DType, string>(dtype, backend);

    [Theory]
    [MemberData(nameof(Cases))]
    public void IsTheSameMerge(DType dtype, string backend)
    {
        using TempFolder temp = new();
        using ICompute compute = ComputeBackends.Create(backend);
        GgufTwin twin = GgufTwin.Llama(dtype);
        twin.Write(temp);
        string adapter = Adapter(temp, twin, out var factors);
        MergeOptions Into(string @base) => Merging.Options(@base, "", "") with { Adapters = [new(adapter, Weight), new(adapter, 0.5)], TileBytes = 256 };
        twin.RequireSameMerge(temp, Into, compute);

        // Against the sums themselves: queries, whose rows are turned.
        const string name = "model.layers.0.self_attn.q_proj";
        (int rows, int columns) = (twin.Shape($"{name}.weight")[0], twin.Shape($"{name}.weight")[1]);
        double scale = (Weight + 0.5) * 8 / Rank;
        (double[] expected, double[] sizes) = Oracle.AddProduct(twin.Values($"{name}.weight"), [.. factors[name].B.Select(b => b * scale)], factors[name].A, rows, columns, Rank);
        using Checkpoint merged = Checkpoint.Open(temp["out.gguf"]);
        double[] found = merged.Tensors["blk.0.attn_q.weight"].ToDoubles();
        double[] magnitudes = [.. sizes.Select(size => size * 6)]; // |w₁| + |w₂| for |w₁ + w₂|.
        Merging.AssertClose(GgufTwin.Permute(expected, GgufTwin.Heads, columns), GgufTwin.Permute(magnitudes, GgufTwin.Heads, columns), found, dtype, 2 * Rank);
        Assert.Empty(Verification.Run(new(temp["out.gguf"]) { Base = temp["base.gguf"], Adapters = Into("").Adapters, TileElements = 100 }).Findings);
    }

    /// <summary>llama.cpp's adapter has the base's names and its order of rows; on Hugging Face's files they are turned back.</summary>
    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void TakesAdaptersOfLlamaCpp(DType dtype)
    {
        using TempFolder temp = new();
        GgufTwin twin = GgufTwin.Llama(dtype);
        twin.Write(temp);
        string peft = Adapter(temp, twin, out _);
        ConvertOptions conversion = Converting.Options(peft, temp["adapter.gguf"]);
        Converting.Run(conversion with { Base = temp["hf", "config.json"], Layout = "gguf" });

        MergeOptions Into(string @base) => Merging.Options(@base, temp["adapter.gguf"], "");
        byte[] found = twin.RequireSameMerge(temp, Into);
        Merging.Run(Merging.Options(temp["base.gguf"], peft, temp["peft.gguf"]));
        if (dtype == DType.BF16) Assert.Equal(File.ReadAllBytes(temp["peft.gguf"]), found); // The scale α/r is folded, so singles may differ by their last bit.
    }

    /// <summary>Kinds that are made row by row, those among them that need the base in the order in which they were trained, and values in full.</summary>
    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void TakesOtherKinds(DType dtype)
    {
        using TempFolder temp = new();
        GgufTwin twin = GgufTwin.Llama(dtype);
        twin.Write(temp);
        Random random = new(5);
        PeftFolder dora = new(temp["dora"], Rank, 8) { Config = { ["use_dora"] = true } };
        foreach (string module in Modules[..3])
        {
            int[] shape = twin.Shape($"{module}.weight");
            dora.Linear(module, shape[0], shape[1], random);
            dora.Add($"base_model.model.{module}.lora_magnitude_vector", DType.F32, [shape[0]], PeftFolder.Values(random, shape[0], DType.F32));
        }

        PeftFolder whole = new(temp["whole"], Rank, 8);
        foreach (string name in (string[])["model.layers.0.self_attn.k_proj.weight", "model.layers.0.self_attn.q_proj.bias", "lm_head.weight", "model.norm.weight", "model.layers.0.input_layernorm.weight"])
        {
            long[] shape = [.. twin.Shape(name)];
            whole.Add($"base_model.model.{name}", dtype, shape, PeftFolder.Values(random, (int)shape.Aggregate(1L, (a, b) => a * b), dtype));
        }

        whole.Config["modules_to_save"] = new System.Text.Json.Nodes.JsonArray("k_proj", "q_proj", "lm_head", "norm", "input_layernorm");
        twin.RequireSameMerge(temp, @base => Merging.Options(@base, "", "") with { Adapters = [new(dora.Save(), 0.5), new(whole.Save())], TileBytes = 300 });
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.F16)]
    [InlineData(DType.BF16)]
    public void IsTakenBack(DType dtype)
    {
        using TempFolder temp = new();
        GgufTwin twin = GgufTwin.Llama(dtype);
        twin.Write(temp);
        string adapter = Adapter(temp, twin, out _);
        MergeOptions options = Merging.Options(temp["base.gguf"], adapter, temp["out.gguf"]) with { TileBytes = 256, UndoRecord = temp["undo.safetensors"], UndoBlockElements = 100 };
        Merging.Run(options);
        byte[] before = File.ReadAllBytes(temp["base.gguf"]);
        UnmergeOptions back = new() { Merged = temp["out.gguf"], Output = temp["undone.gguf"], UndoRecord = temp["undo.safetensors"], Flush = false };
        Restoring.Run(back);
        Assert.Equal(before, File.ReadAllBytes(temp["undone.gguf"]));
        Restoring.Run(new() { Merged = temp["out.gguf"], Base = temp["base.gguf"], Adapters = options.Adapters, Output = temp["restored.gguf"], Flush = false });
        Assert.Equal(before, File.ReadAllBytes(temp["restored.gguf"]));

        UnmergeReport less = Restoring.Run(new() { Merged = temp["out.gguf"], Adapters = options.Adapters, Output = temp["less.gguf"], Flush = false, TileBytes = 256 });
        using Checkpoint subtracted = Checkpoint.Open(temp["less.gguf"]), original = Checkpoint.Open(temp["base.gguf"]);
        int wrong = original.Tensors.Where(t => t.Value.DType == dtype).Sum(t => t.Value.ToDoubles().Zip(subtracted.Tensors[t.Key].ToDoubles()).Count(pair => pair.First != pair.Second));
        Assert.True(wrong <= less.MayDiffer, $"{wrong} differ, {less.MayDiffer} may");

        // Of another model's header nothing is made.
        byte[] other = File.ReadAllBytes(temp["out.gguf"]);
        other[other.AsSpan().IndexOf("x.y"u8)] = (byte)'z';
        File.WriteAllBytes(temp["other.gguf"], other);
        Assert.Contains("another header", Assert.Throws<InvalidFileException>(() => Restoring.Run(back with { Merged = temp["other.gguf"], Output = temp["no.gguf"] })).Message);
        Assert.False(File.Exists(temp["no.gguf"]));
    }

    /// <summary>A head that is the embedding takes its update there, and values of its own nowhere.</summary>
    [Fact]
    public void KnowsTiedHeads()
    {
        using TempFolder temp = new();
        GgufTwin twin = GgufTwin.Llama(DType.F32, isTied: true);
        twin.Write(temp);
        Random random = new(5);
        int[] shape = twin.Shape("model.embed_tokens.weight");
        PeftFolder head = new(temp["head"], Rank, 8);
        head.Linear("lm_head", shape[0], shape[1], random);
        head.Save();
        twin.RequireSameMerge(temp, @base => Merging.Options(@base, temp["head"], ""));

        PeftFolder whole = new(temp["whole"], Rank, 8) { Config = { ["modules_to_save"] = new System.Text.Json.Nodes.JsonArray("lm_head") } };
        whole.Add("base_model.model.lm_head.weight", DType.F32, [shape[0], shape[1]], PeftFolder.Values(random, shape[0] * shape[1], DType.F32));
        Assert.Contains("output.weight", Refused<TargetMismatchException>(temp, whole.Save()));
    }

    [Fact]
    public void RefusesByName()
    {
        using TempFolder temp = new();
        GgufTwin twin = GgufTwin.Llama(DType.F16);
        twin.Write(temp);
        string adapter = Adapter(temp, twin, out _);
        Assert.Contains("llama-quantize", Refused<UnsupportedException>(temp, adapter, options => options with { OutputType = DType.F32 }));
        Assert.Contains("llama-gguf-split", Refused<UnsupportedException>(temp, adapter, options => options with { MaxShardBytes = 1000 }));
        Assert.Contains(".gguf", Refused<InvalidOptionException>(temp, adapter, options => options with { Output = temp["out.safetensors"] }));
        Assert.Contains("GGUF", Refused<InvalidOptionException>(temp, adapter, options => options with { Base = temp["hf"] }));

        PeftFolder other = new(temp["other"], Rank, 8);
        other.Linear("model.layers.1.self_attn.q_proj", 24, 37, new(1));
        other.Linear("model.layers.0.self_attn.qkv_proj", 24, 37, new(1));
        string message = Refused<TargetMismatchException>(temp, other.Save());
        Assert.Contains("blk.1.attn_q.weight", message);
        Assert.Contains("and 1 more", message);

        PeftFolder wide = new(temp["wide"], Rank, 8);
        wide.Linear("model.layers.0.self_attn.v_proj", 12, 38, new(1));
        Assert.Contains("[12, 37]", Refused<TargetMismatchException>(temp, wide.Save()));

        File.WriteAllBytes(temp["base.gguf"], new GgufBytes().Key("general.architecture", "llama").Key("split.count", 2, BitConverter.GetBytes((ushort)2)).ToArray());
        Assert.Contains("split", Refused<UnsupportedException>(temp, adapter));
        File.WriteAllBytes(temp["base.gguf"], new GgufBytes().Key("general.architecture", "llama").Key("general.type", "adapter").ToArray());
        Assert.Contains("is an adapter", Refused<UnsupportedException>(temp, adapter));
        File.WriteAllBytes(temp["base.gguf"], new GgufBytes().Key("general.architecture", "mamba").ToArray());
        Assert.Contains("mamba", Refused<TargetMismatchException>(temp, adapter));
        GgufTwin.Llama(DType.F32, saysHeads: false).Write(temp);
        Assert.Contains("head counts missing", Refused<TargetMismatchException>(temp, adapter));
    }

    /// <summary>A factor of each matrix, the embedding's too, as PEFT stores them.</summary>
    private static string Adapter(TempFolder temp, GgufTwin twin, out Dictionary<string, (double[] A, double[] B)> factors)
    {
        Random random = new(4);
        PeftFolder adapter = new(temp["adapter"], Rank, 8);
        factors = Modules.ToDictionary(module => module, module => adapter.Linear(module, twin.Shape($"{module}.weight")[0], twin.Shape($"{module}.weight")[1], random));
        int[] words = twin.Shape("model.embed_tokens.weight");
        adapter.Add("base_model.model.model.embed_tokens.lora_embedding_A", DType.F32, [Rank, words[0]], PeftFolder.Values(random, Rank * words[0], DType.F32));
        adapter.Add("base_model.model.model.embed_tokens.lora_embedding_B", DType.F32, [words[1], Rank], PeftFolder.Values(random, Rank * words[1], DType.F32));
        return adapter.Save();
    }

    /// <returns>The message, and all misses.</returns>
    private static string Refused<T>(TempFolder temp, string adapter, Func<MergeOptions, MergeOptions>? change = null)
        where T : LoraKitException
    {
        MergeOptions options = Merging.Options(temp["base.gguf"], adapter, temp["refused.gguf"]);
        T refused = Assert.Throws<T>(() => Merging.Run(change is null ? options : change(options)));
        Assert.False(Path.Exists(temp["refused.gguf"]));
        return refused is TargetMismatchException { Misses: var misses } ? $"{refused.Message} {string.Join(" ", misses)}" : refused.Message;
    }
}
