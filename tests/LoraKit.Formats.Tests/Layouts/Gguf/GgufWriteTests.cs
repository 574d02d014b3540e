using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Layouts.Gguf;
using LoraKit.Formats.Tensors;
using static LoraKit.Formats.Tests.Layouts.Gguf.GgufSample;

namespace LoraKit.Formats.Tests.Layouts.Gguf;

/// <summary>The canonical adapter as llama.cpp's: names, orders, one alpha; what it has no words for.</summary>
public sealed class GgufWriteTests
{
    private const string Layer = "model.layers.11.";

    /// <summary>By tensor_mapping.py of gguf-py.</summary>
    private static readonly Dictionary<string, string> Names = new()
    {
        ["llama"] = "self_attn.q_proj attn_q self_attn.k_proj attn_k self_attn.v_proj attn_v self_attn.o_proj attn_output mlp.gate_proj ffn_gate mlp.up_proj ffn_up mlp.down_proj ffn_down block_sparse_moe.gate ffn_gate_inp",
        ["qwen2"] = "self_attn.q_proj attn_q self_attn.o_proj attn_output mlp.gate_proj ffn_gate mlp.up_proj ffn_up mlp.down_proj ffn_down",
        ["qwen2moe"] = "self_attn.v_proj attn_v mlp.gate ffn_gate_inp mlp.shared_expert.gate_proj ffn_gate_shexp mlp.shared_expert.up_proj ffn_up_shexp mlp.shared_expert.down_proj ffn_down_shexp mlp.shared_expert_gate ffn_gate_inp_shexp",
        ["qwen3"] = "self_attn.k_proj attn_k mlp.up_proj ffn_up",
        ["qwen3moe"] = "self_attn.k_proj attn_k mlp.gate ffn_gate_inp mlp.gate_proj ffn_gate",
        ["gemma"] = "self_attn.q_proj attn_q mlp.down_proj ffn_down",
        ["gemma2"] = "self_attn.q_proj attn_q mlp.down_proj ffn_down",
        ["gemma3"] = "self_attn.o_proj attn_output mlp.gate_proj ffn_gate",
        ["phi2"] = "self_attn.q_proj attn_q self_attn.dense attn_output mlp.fc1 ffn_up mlp.fc2 ffn_down",
        ["phi3"] = "self_attn.qkv_proj attn_qkv self_attn.o_proj attn_output mlp.gate_up_proj ffn_up mlp.down_proj ffn_down",
        ["phimoe"] = "self_attn.q_proj attn_q block_sparse_moe.gate ffn_gate_inp",
        ["gpt-oss"] = "self_attn.q_proj attn_q self_attn.o_proj attn_output mlp.router ffn_gate_inp",
    };

    public static TheoryData<string> Architectures => [.. Names.Keys];

    [Theory]
    [MemberData(nameof(Architectures))]
    public void Names_there_and_back(string architecture)
    {
        string[] words = Names[architecture].Split(' ');
        List<AdapterDelta> modules = [Lora("model.embed_tokens", 4, 53, 37, 2, isEmbedding: true)];
        List<string> expected = ["token_embd"];
        for (int i = 0; i < words.Length; i += 2)
        {
            modules.Add(Lora(Layer + words[i], 4, 24, 37, 2));
            expected.Add("blk.11." + words[i + 1]);
        }

        if (!architecture.StartsWith("gemma", StringComparison.Ordinal))
        {
            modules.Add(Lora("lm_head", 4, 53, 37, 2));
            expected.Add("output");
        }

        Adapter adapter = Adapter(Llama with { Architecture = architecture }, modules);
        Written(adapter, (file, again) =>
        {
            Assert.Equal(expected.SelectMany(name => new[] { name + ".weight.lora_a", name + ".weight.lora_b" }), file.Tensors.Select(tensor => tensor.Name));
            SavedAdapter.AssertSame(adapter, again);
            Assert.Equal(modules.Select(module => module.Target), again.Deltas.Select(delta => delta.Target));
        });
        Assert.Equal(GgufArchitecture.All.Select(a => a.Name).Order(), Names.Keys.Order());
    }

    [Fact]
    public void Rows_of_queries_and_keys_are_permuted_for_llama_alone()
    {
        AdapterDelta[] modules = [Lora(Layer + "self_attn.q_proj", 5, 24, 37, 1), Lora(Layer + "self_attn.k_proj", 5, 12, 37, 1), Lora(Layer + "self_attn.v_proj", 5, 12, 37, 1)];
        double[][] up = [.. modules.Select(module => ((LowRankDelta)module).Up.ToDoubles())];
        Written(Adapter(Llama, modules), (file, again) =>
        {
            Assert.Equal(Permute(up[0], 4, 5), Values(file, "blk.11.attn_q.weight.lora_b"));
            Assert.Equal(Permute(up[1], 2, 5), Values(file, "blk.11.attn_k.weight.lora_b"));
            Assert.Equal(up[2], Values(file, "blk.11.attn_v.weight.lora_b"));
            Assert.Equal(((LowRankDelta)modules[0]).Down.ToDoubles(), Values(file, "blk.11.attn_q.weight.lora_a"));
            // What is read back, and written again, is the same file, head counts and all.
            Written(again, (second, _) => Assert.Equal(Values(file, "blk.11.attn_q.weight.lora_b"), Values(second, "blk.11.attn_q.weight.lora_b")));
        });
        Written(Adapter(Llama with { Architecture = "qwen2" }, modules), (file, _) => Assert.Equal(up[0], Values(file, "blk.11.attn_q.weight.lora_b")));
    }

    /// <summary>P(B·A) = P(B)·A: the update in the base's order of rows is the permuted update.</summary>
    [Fact]
    public void The_permuted_factors_product_is_the_permuted_product()
    {
        LowRankDelta module = Lora(Layer + "self_attn.q_proj", 5, 24, 7, 3);
        double[] update = new double[24 * 7];
        NaiveMerge.Add(update, new TensorShape(24, 7), module);
        Written(Adapter(Llama, module), (file, _) =>
        {
            double[] a = Values(file, "blk.11.attn_q.weight.lora_a"), b = Values(file, "blk.11.attn_q.weight.lora_b"), product = new double[24 * 7];
            for (int o = 0; o < 24; o++)
            {
                for (int i = 0; i < 7; i++)
                {
                    for (int r = 0; r < 5; r++) product[(o * 7) + i] += 3 * (b[(o * 5) + r] * a[(r * 7) + i]);
                }
            }

            Assert.Equal(Permute(update, 4, 7), product, (x, y) => Math.Abs(x - y) < 1e-12);
        });
    }

    [Fact]
    public void An_embeddings_factors_lie_the_other_way_round()
    {
        LowRankDelta embedding = Lora("model.embed_tokens", 3, 53, 37, 2, isEmbedding: true);
        Written(Adapter(new() { Architecture = "qwen2" }, embedding), (file, again) =>
        {
            Assert.True(file.TryGetTensor("token_embd.weight.lora_a", out TensorInfo? a) && file.TryGetTensor("token_embd.weight.lora_b", out TensorInfo? b) && b.Shape == new TensorShape(37, 3));
            Assert.Equal(new TensorShape(53, 3), a!.Shape);
            Assert.Equal(embedding.Up.ToDoubles(), Values(file, a.Name));
            SavedAdapter.AssertSame(Adapter(null, embedding), again);
        });
    }

    [Theory]
    [InlineData("llama", "block_sparse_moe.experts", "w1", "ffn_gate_exps")]
    [InlineData("llama", "block_sparse_moe.experts", "w3", "ffn_up_exps")]
    [InlineData("llama", "block_sparse_moe.experts", "w2", "ffn_down_exps")]
    [InlineData("qwen2moe", "mlp.experts", "gate_proj", "ffn_gate_exps")]
    [InlineData("qwen3moe", "mlp.experts", "up_proj", "ffn_up_exps")]
    [InlineData("phimoe", "block_sparse_moe.experts", "w2", "ffn_down_exps")]
    public void Experts_are_stacked_in_their_order(string architecture, string experts, string leaf, string name)
    {
        LowRankDelta[] modules = [.. new[] { 2, 0, 10, 1, 3, 4, 5, 6, 7, 8, 9 }.Select(e => Lora($"{Layer}{experts}.{e}.{leaf}", 2, 5, 7, 0.5, e == 3 ? DType.F16 : DType.F32))];
        LowRankDelta[] ordered = [.. modules.OrderBy(m => int.Parse(m.Target.Path.Split('.')[^3]))];
        Written(Adapter(new() { Architecture = architecture, Experts = 11 }, modules), (file, again) =>
        {
            Assert.Equal([new(11, 2, 7), new TensorShape(11, 5, 2)], file.Tensors.Select(tensor => tensor.Shape));
            Assert.Equal(ordered.SelectMany(m => m.Down.ToDoubles()), Values(file, $"blk.11.{name}.weight.lora_a"));
            Assert.Equal(ordered.SelectMany(m => m.Up.ToDoubles()), Values(file, $"blk.11.{name}.weight.lora_b"));
            Assert.Equal(ordered.Select(m => (m.Target, m.Scale)), again.Deltas.Select(d => (d.Target, ((LowRankDelta)d).Scale)));
        });
        Refused("all 12", Adapter(new() { Architecture = architecture, Experts = 12 }, modules));
        Refused("numbers up to 10", Adapter(new() { Architecture = architecture }, modules[..4]));
        Refused("differ in shape or rank", Adapter(new() { Architecture = architecture }, [.. modules[..10], Lora(modules[10].Target.Module.Path, 3, 5, 7, 1 / 3.0)]));
    }

    [Theory]
    [InlineData(DType.F32, 0u)]
    [InlineData(DType.F16, 1u)]
    [InlineData(DType.BF16, 30u)]
    [InlineData(DType.F64, 0u)] // Rounded once.
    public void Element_types_stay(DType dtype, uint type) => Written(
        Adapter(Llama, Lora(Layer + "self_attn.q_proj", 5, 24, 37, 1, dtype), Lora(Layer + "mlp.up_proj", 5, 24, 37, 1, dtype)), (file, again) =>
        {
            Assert.All(file.Header.Tensors, tensor => Assert.Equal(type, tensor.Type.Id));
            Assert.Equal(Lora(Layer + "mlp.up_proj", 5, 24, 37, 1, dtype).Up.ToDoubles(), ((LowRankDelta)again.Deltas[1]).Up.ToDoubles());
        });

    [Theory]
    [InlineData(new[] { 2.0, 2.0, 2.0 }, new[] { 4L, 4L, 4L }, 8f)]
    [InlineData(new[] { 5.656854249492381, 5.656854249492381 }, new[] { 8L, 8L }, 45.254834f)] // rsLoRA, α = 16
    [InlineData(new[] { 2.0, 1.0, 4.0 }, new[] { 4L, 8L, 2L }, 8f)] // α/r of unequal ranks
    public void One_alpha_touches_no_factor(double[] scales, long[] ranks, float alpha)
    {
        Adapter adapter = Adapter(Llama, [.. scales.Select((scale, i) => Lora($"model.layers.{i}.mlp.up_proj", ranks[i], 24, 37, scale))]);
        Assert.Same(adapter, AdapterLayouts.Named("gguf").Fold(adapter));
        Written(adapter, (file, again) =>
        {
            Assert.Equal(alpha, (float)file.Header.KeyValues["adapter.lora.alpha"].Real!.Value);
            foreach ((AdapterDelta one, AdapterDelta two) in adapter.Deltas.Zip(again.Deltas))
            {
                Assert.Equal(((LowRankDelta)one).Up.ToDoubles(), ((LowRankDelta)two).Up.ToDoubles());
                Assert.Equal(((LowRankDelta)one).Scale, ((LowRankDelta)two).Scale, 6e-8 * ((LowRankDelta)one).Scale);
            }
        });
    }

    /// <summary>The alpha of most stays, what others have more goes into B; 0, which llama.cpp would take for 1, into B too.</summary>
    [Fact]
    public void Other_scales_go_into_B()
    {
        LowRankDelta[] modules = [.. new[] { 1.5, 2, 0, 2, -0.3 }.Select((scale, i) => Lora($"model.layers.{i}.mlp.up_proj", 4, 24, 37, scale))];
        Adapter adapter = Adapter(Llama, modules);
        Refused("one for all", adapter);
        Adapter folded = AdapterLayouts.Named("gguf").Fold(adapter);
        Assert.All(folded.Deltas, delta => Assert.Equal(2, ((LowRankDelta)delta).Scale));
        Assert.Same(modules[1], folded.Deltas[1]);
        Written(folded, (file, again) =>
        {
            Assert.Equal(8, file.Header.KeyValues["adapter.lora.alpha"].Real);
            foreach (LowRankDelta module in modules)
            {
                double[] expected = new double[24 * 37];
                NaiveMerge.Add(expected, new TensorShape(24, 37), module);
                double largest = expected.Max(Math.Abs);
                Assert.Equal(expected, FactorSample.Update(again, module.Target.Module.Path), (x, y) => Math.Abs(x - y) <= 1e-6 * largest);
            }
        });
        Adapter zero = AdapterLayouts.Named("gguf").Fold(Adapter(Llama, Lora("model.layers.0.mlp.up_proj", 4, 24, 37, 0)));
        Written(zero, (file, again) =>
        {
            Assert.Equal(1, file.Header.KeyValues["adapter.lora.alpha"].Real);
            Assert.All(FactorSample.Update(again, "model.layers.0.mlp.up_proj"), value => Assert.Equal(0, value));
        });
    }

    [Fact]
    public void The_header_says_what_is_known()
    {
        Adapter adapter = new("a", "gguf", null)
        {
            Deltas = [Lora(Layer + "self_attn.q_proj", 4, 24, 37, 2)],
            Base = Llama,
            Config = new(JsonNode.Parse("""{ "peft_type": "LORA", "base_model_name_or_path": "owner/model", "alora_invocation_tokens": [5, 128009], "r": 4 }""")!.AsObject()),
            Metadata = new Dictionary<string, string> { ["format"] = "pt", ["general.name"] = "n", ["adapter.lora.task_name"] = "t", ["adapter.lora.prompt_prefix"] = "p", ["general.type"] = "model" },
        };
        Written(adapter, (file, again) =>
        {
            Assert.Equal(
                [
                    "general.architecture=llama", "general.type=adapter", "adapter.type=lora", "adapter.lora.alpha=8", "llama.attention.head_count=4", "llama.attention.head_count_kv=2",
                    "general.base_model.count=1", "general.base_model.0.name=model", "general.base_model.0.repo_url=https://huggingface.co/owner/model", "general.name=n",
                    "adapter.lora.task_name=t", "adapter.lora.prompt_prefix=p",
                ],
                file.Metadata.Select(pair => $"{pair.Key}={pair.Value}"));
            Assert.Equal([5, 128009], file.Header.KeyValues["adapter.alora.invocation_tokens"].Integers());
            Assert.Equal("""{"base_model_name_or_path":"owner/model","alora_invocation_tokens":[5,128009],"peft_type":"LORA"}""", again.Config!.Json.ToJsonString());
        });
    }

    [Theory]
    [InlineData("/home/someone/models/Tiny-Llama/", "Tiny-Llama")]
    [InlineData("./base", "base")]
    [InlineData("C:\\models\\base", "base")]
    public void A_folder_of_this_machine_is_not_told(string model, string name)
    {
        Adapter adapter = new("a", "gguf", null) { Deltas = [Lora(Layer + "mlp.up_proj", 4, 24, 37, 2)], Base = Llama, Config = new(new JsonObject { ["base_model_name_or_path"] = model }) };
        Written(adapter, (file, _) => Assert.Equal(name, Assert.Single(file.Metadata, pair => pair.Key.StartsWith("general.base_model.0", StringComparison.Ordinal)).Value));
    }

    [Fact]
    public void What_it_cannot_say_is_refused_by_name()
    {
        LowRankDelta q = Lora(Layer + "self_attn.q_proj", 4, 24, 37, 2), up = Lora(Layer + "mlp.up_proj", 4, 24, 37, 2);
        Refused("architecture is not known", Adapter(null, up));
        Refused("'mamba' has no names", Adapter(new() { Architecture = "mamba" }, up));
        Refused("head counts missing", Adapter(new() { Architecture = "llama" }, q));
        Refused("no 7 heads", Adapter(Llama with { Heads = 7 }, q));
        Refused("no module of llama", Adapter(Llama, Lora(Layer + "mlp.fc1", 4, 24, 37, 2)));
        Refused("no module of gemma2", Adapter(new() { Architecture = "gemma2" }, Lora("lm_head", 4, 24, 37, 2)));
        Refused("is the base's embedding", Adapter(Llama with { TiesWordEmbeddings = true }, Lora("lm_head", 4, 24, 37, 2)));
        Refused("goes by its name", Adapter(Llama, Lora("model.embed_tokens", 4, 24, 37, 2)));
        Refused("magnitudes of DoRA", Adapter(Llama, new MagnitudeDelta(up, Tensor(DType.F32, [24], Random(24, 1)), MagnitudeAxis.Output)));
        Refused("kind dense", Adapter(Llama, new DenseDelta(new(new(Layer + "mlp.up_proj"), "bias"), Tensor(DType.F32, [24], Random(24, 1)), 1)));
        Refused("is replaced in full (modules_to_save)", new("a", "gguf", null)
        {
            Deltas = [up],
            Base = Llama,
            Replacements = [new(new(new("lm_head"), "weight"), Tensor(DType.F32, [2, 2], Random(4, 1)), null, "modules_to_save")],
        });
        Refused("F8_E4M3", Adapter(Llama, Lora(Layer + "mlp.up_proj", 4, 24, 37, 2, DType.F8E4M3)));
        Refused("2 updates", Adapter(Llama, up, Lora(Layer + "mlp.up_proj", 4, 24, 37, 2)));
    }

    private static void Refused(string says, Adapter adapter)
    {
        Assert.Contains(AdapterLayouts.Named("gguf").Limits(adapter), reason => reason.Contains(says, StringComparison.Ordinal));
        Assert.Contains(says, Assert.Throws<UnsupportedException>(() => AdapterLayouts.Named("gguf").Write(adapter)).Message, StringComparison.Ordinal);
    }
}
