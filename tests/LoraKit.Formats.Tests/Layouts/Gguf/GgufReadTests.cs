using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;
using static LoraKit.Formats.Tests.Layouts.Gguf.GgufSample;

namespace LoraKit.Formats.Tests.Layouts.Gguf;

/// <summary>llama.cpp's adapters to the canonical one: names, orders of rows, scale; and what its loader refuses.</summary>
public sealed class GgufReadTests
{
    // 4 heads of 6 rows, 2 of them for keys; odd sizes elsewhere.
    private static readonly double[] A = Random(5 * 37, 1), Q = Random(24 * 5, 2), K = Random(12 * 5, 3);

    [Fact]
    public void Rows_of_queries_and_keys_come_back_to_Hugging_Faces_order()
    {
        double[] q = Permute(Q, 4, 5), k = Permute(K, 2, 5);
        Assert.NotEqual(Q, Permute(q, 4, 5)); // It is no involution: the inverse is another.
        GgufBytes file = File().Tensor("blk.3.attn_q.weight.lora_a", [5, 37], A).Tensor("blk.3.attn_q.weight.lora_b", [24, 5], q)
            .Tensor("blk.3.attn_k.weight.lora_a", [5, 37], A).Tensor("blk.3.attn_k.weight.lora_b", [12, 5], k)
            .Tensor("blk.3.attn_v.weight.lora_a", [5, 37], A).Tensor("blk.3.attn_v.weight.lora_b", [12, 5], k);
        Read(file, Llama, adapter =>
        {
            Assert.Equal(["q_proj", "k_proj", "v_proj"], adapter.Deltas.Select(delta => delta.Target.Module.Leaf));
            Assert.All(adapter.Deltas, delta => Assert.StartsWith("model.layers.3.self_attn.", delta.Target.Path, StringComparison.Ordinal));
            LowRankDelta[] modules = [.. adapter.Deltas.Cast<LowRankDelta>()];
            Assert.All(modules, module => Assert.Equal((8.0 / 5, 8.0), (module.Scale, module.Alpha)));
            Assert.All(modules, module => Assert.Equal(A, module.Down.ToDoubles()));
            Assert.Equal(Q, modules[0].Up.ToDoubles());
            Assert.Equal(K, modules[1].Up.ToDoubles());
            Assert.Equal(k, modules[2].Up.ToDoubles()); // Values are in no order of heads.
            byte[] part = new byte[50];
            modules[0].Up.ReadBytes(7, part);
            Assert.Equal(Q.SelectMany(v => BitConverter.GetBytes((float)v)).Skip(7).Take(50), part);
            return 0;
        });
    }

    [Theory]
    [InlineData("qwen2")]
    [InlineData("qwen3")]
    [InlineData("gemma3")]
    [InlineData("phimoe")]
    [InlineData("gpt-oss")]
    public void Other_families_rows_stay(string architecture) => Read(
        File(architecture).Tensor("blk.0.attn_q.weight.lora_a", [5, 37], A).Tensor("blk.0.attn_q.weight.lora_b", [24, 5], Q), null, adapter =>
        {
            Assert.Equal(Q, ((LowRankDelta)Assert.Single(adapter.Deltas)).Up.ToDoubles());
            return 0;
        });

    [Fact]
    public void The_files_own_head_counts_will_do()
    {
        GgufBytes file = File().Key("llama.attention.head_count", 4u).Key("llama.attention.head_count_kv", 2u)
            .Tensor("blk.0.attn_q.weight.lora_a", [5, 37], A).Tensor("blk.0.attn_q.weight.lora_b", [24, 5], Permute(Q, 4, 5));
        Read(file, null, adapter =>
        {
            Assert.Equal(Q, ((LowRankDelta)Assert.Single(adapter.Deltas)).Up.ToDoubles());
            return 0;
        });
    }

    /// <summary>ΔW [words, dimension] = lora_a [words, r] · lora_b [dimension, r]ᵀ: llama.cpp's mul_mat(b, a), as ggml lists sizes innermost first.</summary>
    [Fact]
    public void An_embeddings_factors_lie_the_other_way_round()
    {
        double[] a = Random(53 * 3, 5), b = Random(37 * 3, 6);
        Read(File(alpha: -4.5).Tensor("token_embd.weight.lora_a", [53, 3], a).Tensor("token_embd.weight.lora_b", [37, 3], b), null, adapter =>
        {
            LowRankDelta module = (LowRankDelta)Assert.Single(adapter.Deltas);
            Assert.Equal(("model.embed_tokens.weight", true, -1.5), (module.Target.Path, module.IsEmbedding, module.Scale));
            double[] expected = new double[53 * 37];
            for (int word = 0; word < 53; word++)
            {
                for (int i = 0; i < 37; i++)
                {
                    for (int r = 0; r < 3; r++) expected[(word * 37) + i] += -1.5 * a[(word * 3) + r] * b[(i * 3) + r];
                }
            }

            Assert.Equal(expected, FactorSample.Update(adapter, "model.embed_tokens"));
            return 0;
        });
    }

    [Theory]
    [InlineData(null, 1)]
    [InlineData(0.0, 1)]
    [InlineData(16.0, 16 / 5.0)]
    [InlineData(-0.5, -0.1)]
    public void Alpha_is_divided_by_the_tensors_rank_and_0_is_none(double? alpha, double scale) => Read(
        File("qwen2", alpha).Tensor("blk.0.ffn_up.weight.lora_a", [5, 37], A).Tensor("blk.0.ffn_up.weight.lora_b", [24, 5], Q), null, adapter =>
        {
            Assert.Equal(scale, ((LowRankDelta)Assert.Single(adapter.Deltas)).Scale);
            return 0;
        });

    [Fact]
    public void A_stack_of_experts_is_a_module_each()
    {
        double[] a = Random(3 * 2 * 7, 8), b = Random(3 * 5 * 2, 9);
        Read(File("qwen3moe", 4).Tensor("blk.1.ffn_down_exps.weight.lora_a", [3, 2, 7], a).Tensor("blk.1.ffn_down_exps.weight.lora_b", [3, 5, 2], b), null, adapter =>
        {
            Assert.Equal([.. Enumerable.Range(0, 3).Select(e => $"model.layers.1.mlp.experts.{e}.down_proj.weight")], adapter.Deltas.Select(delta => delta.Target.Path));
            for (int e = 0; e < 3; e++)
            {
                LowRankDelta expert = (LowRankDelta)adapter.Deltas[e];
                Assert.Equal((2.0, a[(e * 14)..((e + 1) * 14)], b[(e * 10)..((e + 1) * 10)]), (expert.Scale, expert.Down.ToDoubles(), expert.Up.ToDoubles()), Same);
            }

            return 0;
        });
    }

    [Fact]
    public void Settings_and_texts_are_carried()
    {
        GgufBytes file = File("qwen2").Key("general.name", "n").Key("adapter.lora.task_name", "t").Key("adapter.lora.prompt_prefix", "p: ").Key("general.file_type", 1u)
            .Array("adapter.alora.invocation_tokens", 4, 2, [1, 0, 0, 0, 255, 255, 0, 0]).Key("general.base_model.count", 1u)
            .Key("general.base_model.0.name", "x").Key("general.base_model.0.repo_url", "https://huggingface.co/o/x");
        Read(file, null, adapter =>
        {
            Assert.Equal(["general.architecture=qwen2", "general.name=n", "adapter.lora.task_name=t", "adapter.lora.prompt_prefix=p: "], adapter.Metadata.Select(m => $"{m.Key}={m.Value}"));
            Assert.Equal("""{"base_model_name_or_path":"o/x","alora_invocation_tokens":[1,65535],"peft_type":"LORA"}""", adapter.Config!.Json.ToJsonString());
            return 0;
        });
    }

    [Fact]
    public void A_norm_is_passed_over_with_a_word() => Read(
        File("qwen2").Tensor("blk.0.ffn_up.weight.lora_a", [5, 37], A).Tensor("blk.0.ffn_up.weight.lora_b", [24, 5], Q).Tensor("blk.0.attn_norm.weight", [3], 1, 2, 3), null, adapter =>
        {
            Assert.Single(adapter.Deltas);
            AdapterIssue issue = Assert.Single(adapter.Issues);
            Assert.Equal(("stray_tensor", "blk.0.attn_norm.weight"), (issue.Code, issue.Where));
            return 0;
        });

    [Fact]
    public void What_llama_cpp_refuses_is_refused()
    {
        GgufBytes Named(string type, string kind, string architecture) => new GgufBytes().Key("general.architecture", architecture).Key("general.type", type).Key("adapter.type", kind);
        GgufBytes Pair(string name, long[] a, long[] b, string architecture = "qwen2") =>
            File(architecture).Tensor(name + ".weight.lora_a", a, new double[new TensorShape(a).ElementCount]).Tensor(name + ".weight.lora_b", b, new double[new TensorShape(b).ElementCount]);
        Fails("expected 'adapter'", Named("model", "lora", "llama"));
        Fails("'general.type' is not there", new GgufBytes().Key("general.architecture", "llama"));
        Fails("expected 'lora'", Named("adapter", "dora", "llama"));
        Fails("whose names are not known", Named("adapter", "lora", "mamba"));
        Fails("expected a number", new GgufBytes().Key("general.architecture", "llama").Key("general.type", "adapter").Key("adapter.type", "lora").Key("adapter.lora.alpha", "8"));
        Fails("without its B", File("qwen2").Tensor("blk.0.ffn_up.weight.lora_a", [1, 1], 1));
        Fails("no place in the adapter", File("qwen2").Tensor("blk.0.ffn_up.bias", [1], 1));
        Fails("no name of a module of gemma", Pair("output", [2, 3], [4, 2], "gemma"));
        Fails("do not fit together", Pair("blk.0.ffn_up", [2, 3], [4, 3]));
        Fails("do not fit together", Pair("token_embd", [9, 2], [4, 3]));
        Fails("do not fit together", Pair("blk.0.ffn_up", [1, 2, 3], [1, 4, 2]));
        Fails("do not fit together", Pair("blk.0.ffn_up_exps", [2, 3], [4, 2], "qwen2moe"));
        Fails("as many experts", Pair("blk.0.ffn_up_exps", [2, 2, 3], [3, 4, 2], "qwen2moe"));
        Fails("empty", Pair("blk.0.ffn_up", [0, 3], [4, 0]));
        Fails("head counts missing", Pair("blk.0.attn_q", [2, 3], [4, 2], "llama"));
        Fails("no 4 heads", Pair("blk.0.attn_q", [2, 3], [12, 2], "llama"), Llama);
        Fails("and the base is architecture qwen2", Pair("blk.0.attn_q", [2, 3], [4, 2], "llama"), new() { Architecture = "qwen2" });
        Fails("and the base is", Pair("blk.0.attn_v", [2, 3], [4, 2], "llama").Key("llama.attention.head_count", 8u), Llama);
        Fails("of type Q4_0", File("qwen2").Tensor("blk.0.ffn_up.weight.lora_a", [32, 1], 2, new byte[18]).Tensor("blk.0.ffn_up.weight.lora_b", [1, 4], 1, 2, 3, 4));
        Fails("no list of u32", File("qwen2").Array("adapter.alora.invocation_tokens", 5, 1, [1, 0, 0, 0]));
        Fails("finite number", Pair("blk.0.ffn_up", [2, 3], [4, 2]), alpha: float.NaN);
    }

    [Fact]
    public void Q8_0_factors_have_their_values()
    {
        byte[] block = new byte[34];
        BitConverter.TryWriteBytes(block, (Half)0.5);
        for (int i = 0; i < 32; i++) block[2 + i] = (byte)(i - 16);
        Read(File("qwen2").Tensor("blk.0.ffn_up.weight.lora_a", [32, 1], 8, block).Tensor("blk.0.ffn_up.weight.lora_b", [2, 1], 1, 2), null, adapter =>
        {
            Assert.Equal([.. Enumerable.Range(-16, 32).Select(i => i / 2.0)], ((LowRankDelta)adapter.Deltas[0]).Down.ToDoubles());
            return 0;
        });
    }

    private static bool Same((double, double[], double[]) x, (double, double[], double[]) y) => x.Item1 == y.Item1 && x.Item2.SequenceEqual(y.Item2) && x.Item3.SequenceEqual(y.Item3);

    private static void Fails(string says, GgufBytes file, BaseFacts? facts = null, float? alpha = null)
    {
        if (alpha is { } wrong) file = File("qwen2", wrong).Tensor("blk.0.ffn_up.weight.lora_a", [1, 1], 1).Tensor("blk.0.ffn_up.weight.lora_b", [1, 1], 1);
        LoraKitException refusal = Assert.ThrowsAny<LoraKitException>(() => Read(file, facts, _ => 0));
        Assert.Contains(says, refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refusal.Message);
    }
}
