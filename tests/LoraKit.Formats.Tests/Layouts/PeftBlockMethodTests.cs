using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>PEFT's methods on the base's own weights, and those with factors of their own form: what is read, and what is refused with which words.</summary>
public sealed class PeftBlockMethodTests
{
    [Theory]
    [InlineData("""{ "peft_type": "IA3" }""", "ia3_l:3,4", "ia3_l is [3, 4]")]
    [InlineData("""{ "peft_type": "IA3" }""", "ia3_l:1,6,1,1", "'feedforward_modules' is null")]
    [InlineData("""{ "peft_type": "IA3", "feedforward_modules": "(q" }""", "ia3_l:1,6,1,1", "'feedforward_modules'")]
    [InlineData("""{ "peft_type": "IA3", "feedforward_modules": [3] }""", "ia3_l:1,1", "'feedforward_modules'")]
    [InlineData("""{ "peft_type": "OFT", "oft_block_size": 4 }""", "oft_R.weight:6,7", "oft_R.weight is [6, 7]; expected [blocks, b(b − 1)/2]")]
    [InlineData("""{ "peft_type": "OFT", "oft_block_size": 4 }""", "oft_R.weight:6", "oft_R.weight is [6]")]
    [InlineData("""{ "peft_type": "OFT", "oft_block_size": 4, "block_share": true }""", "oft_R.weight:2,6", "the block is shared")]
    [InlineData("""{ "peft_type": "OFT", "oft_block_size": 4, "num_cayley_neumann_terms": 4611686018427387904 }""", "oft_R.weight:6,6", "expected at most 1000")]
    [InlineData("""{ "peft_type": "OFT", "oft_block_size": 7 }""", "oft_R.weight:6,6", "6 blocks of 4, but 'oft_block_size' is 7")]
    [InlineData("""{ "peft_type": "OFT", "oft_block_size": 0, "r": 5 }""", "oft_R.weight:6,6", "6 blocks of 4, but 'r' is 5")]
    [InlineData("""{ "peft_type": "BOFT" }""", "boft_R:1,6,4,3;boft_s:24,1", "boft_R is [1, 6, 4, 3]")]
    [InlineData("""{ "peft_type": "BOFT", "boft_block_size": 3 }""", "boft_R:2,6,3,3;boft_s:24,1", "no butterfly of 2 stages")]
    [InlineData("""{ "peft_type": "BOFT" }""", "boft_R:3,6,4,4;boft_s:24,1", "a multiple of 2^2 blocks")]
    [InlineData("""{ "peft_type": "BOFT" }""", "boft_R:70,6,4,4;boft_s:24,1", "no butterfly of 70 stages")]
    [InlineData("""{ "peft_type": "BOFT", "boft_block_size": 8 }""", "boft_R:1,6,4,4;boft_s:24,1", "'boft_block_size' is 8")]
    [InlineData("""{ "peft_type": "BOFT", "boft_block_size": 0, "boft_block_num": 5 }""", "boft_R:1,6,4,4;boft_s:24,1", "'boft_block_num' is 5")]
    [InlineData("""{ "peft_type": "BOFT" }""", "boft_R:1,6,4,4", "no boft_s")]
    [InlineData("""{ "peft_type": "HRA" }""", "hra_u:24,4", "rank 4, but adapter_config.json says 8 (from the default of 'r')")]
    [InlineData("""{ "peft_type": "HRA" }""", "hra_u:24", "hra_u is [24]")]
    [InlineData("""{ "peft_type": "ROAD", "group_size": 8 }""", "road_theta:12;road_alpha:12,2", "differ")]
    [InlineData("""{ "peft_type": "ROAD", "group_size": 7 }""", "road_theta:12;road_alpha:12", "the group size is 7")]
    [InlineData("""{ "peft_type": "ROAD", "group_size": 0 }""", "road_theta:12;road_alpha:12", "the group size is 0")]
    [InlineData("""{ "peft_type": "ROAD" }""", "road_theta:12;road_alpha:12", "24 outputs, which are no groups of 64")]
    [InlineData("""{ "peft_type": "ROAD", "group_size": 8, "variant": "road_3" }""", "road_theta:12;road_alpha:12", "expected road_1, road_2 or road_4")]
    [InlineData("""{ "peft_type": "ROAD" }""", "road_theta:12", "no road_alpha")]
    [InlineData("""{ "peft_type": "HIRA", "r": 4 }""", "hira_A:4,6", "no hira_B")]
    [InlineData("""{ "peft_type": "HIRA", "r": 4 }""", "hira_embedding_B:4,6", "no hira_embedding_A")]
    [InlineData("""{ "peft_type": "HIRA" }""", "hira_A:4,6;hira_B:5,4", "says 32")]
    [InlineData("""{ "peft_type": "LOHA", "r": 3 }""", "hada_w1_a:5,2;hada_w1_b:2,6;hada_w2_a:5,2;hada_w2_b:2,6", "says 3")]
    [InlineData("""{ "peft_type": "HIRA", "r": 4 }""", "hira_A:4,6;hira_B:5,3", "do not chain")]
    [InlineData("""{ "peft_type": "HIRA", "r": 4, "rank_pattern": { "q": 3 } }""", "hira_A:2,6;hira_B:5,2", "says 3 (from rank_pattern 'q')")]
    [InlineData("""{ "peft_type": "OFT", "oft_block_size": 8 }""", "oft_R.weight:53,0", "holds no update")]
    [InlineData("""{ "peft_type": "ADALORA" }""", "lora_A:12,6;lora_B:5,12", "no lora_E")]
    [InlineData("""{ "peft_type": "ADALORA", "init_r": 4 }""", "lora_A:3,6;lora_B:5,3;lora_E:3,1", "'init_r' is 4")]
    [InlineData("""{ "peft_type": "ADALORA", "init_r": 4, "rank_pattern": { "m.q.lora_E": [true, true, false, false] } }""", "lora_A:3,6;lora_B:5,3;lora_E:3,1", "'rank_pattern' keeps 2 rows")]
    [InlineData("""{ "peft_type": "ADALORA", "init_r": 3, "rank_pattern": { "m.q.lora_E": [1, 2] } }""", "lora_A:3,6;lora_B:5,3;lora_E:3,1", "expected lists of true and false")]
    [InlineData("""{ "peft_type": "ADALORA", "init_r": 3, "rank_pattern": [] }""", "lora_A:3,6;lora_B:5,3;lora_E:3,1", "expected an object")]
    [InlineData("""{ "peft_type": "ADALORA", "init_r": 3 }""", "lora_A:3,6;lora_B:5,3;lora_E:2,1", "expected [r, in] and [r, 1]")]
    [InlineData("""{ "peft_type": "DELORA" }""", "delora_A:8,6;delora_B:5,8;delora_lambda:1", "no delora_w_norm")]
    [InlineData("""{ "peft_type": "DELORA" }""", "delora_A:8,6;delora_B:5,8;delora_lambda:1;delora_w_norm:5", "do not belong together")]
    [InlineData("""{ "peft_type": "GRALORA", "r": 3 }""", "gralora_A:2,3,3;gralora_B:2,3,5", "rank 3 does not divide into 2 blocks")]
    [InlineData("""{ "peft_type": "GRALORA", "r": 4, "gralora_k": 4 }""", "gralora_A:2,3,4;gralora_B:2,4,5", "'gralora_k' is 4")]
    [InlineData("""{ "peft_type": "GRALORA", "r": 4 }""", "gralora_A:2,3,4;gralora_B:2,3,5", "do not chain")]
    [InlineData("""{ "peft_type": "GRALORA", "r": 4, "hybrid_r": 2 }""", "gralora_A:2,3,4;gralora_B:2,4,5", "no gralora_A_general.weight")]
    [InlineData("""{ "peft_type": "GRALORA", "r": 4, "hybrid_r": 2 }""", "gralora_A:2,3,4;gralora_B:2,4,5;gralora_A_general.weight:2,5;gralora_B_general.weight:10,2", "expected [h, 6] and [10, h]")]
    [InlineData("""{ "peft_type": "VBLORA" }""", "vblora_logits_A:4,2,9;vblora_logits_B:3,4,9", "no base_model.vblora_vector_bank")]
    [InlineData("""{ "peft_type": "VBLORA" }""", "vblora_logits_A_topk_indices:4,2,2", "no vblora_logits_A_topk_weights")]
    [InlineData("""{ "peft_type": "VBLORA", "topk": 0 }""", "vblora_logits_A:4,2,9;vblora_logits_B:3,4,9", "'topk' is 0")]
    [InlineData("""{ "peft_type": "IA3", "feedforward_modules": [] }""", "ia3_l:6,1;lora_A.weight:8,6;lora_B.weight:5,8", "2 of 3 tensors have no place")]
    [InlineData("""{ "r": 2, "enable_lora": [true, false] }""", "lora_A.weight:4,6;lora_B.weight:5,4,1", "expected 2 rows (from 'r') for each of 1 parts")]
    [InlineData("""{ "r": 4 }""", "lora_A.weight:4,6;lora_B.weight:5,4,1", "no 'enable_lora'")]
    [InlineData("""{ "r": 4, "enable_lora": [1] }""", "lora_A.weight:4,6;lora_B.weight:5,4,1", "expected a list of true and false")]
    [InlineData("""{ "r": 2, "enable_lora": [true, true] }""", "lora_A.weight:4,6;lora_B.weight:6,3,1", "no update of 2 of 2 parts")]
    public void What_contradicts_itself_is_refused(string config, string tensors, string why)
    {
        InvalidAdapterException error = Sample(config, tensors).Fails<InvalidAdapterException>();
        Assert.Contains(why, error.Message);
    }

    [Theory]
    [InlineData("""{ "peft_type": "OFT", "oft_block_size": 4 }""", "oft_r:6,4,4;oft_s:24,1", "tensor oft_r")]
    [InlineData("""{ "peft_type": "OFT", "r": 4 }""", "oft_R.weight:6,6", "no 'oft_block_size'")]
    public void Oft_before_peft_016_is_refused_by_name(string config, string tensors, string why)
    {
        UnsupportedException error = Sample(config, tensors).Fails<UnsupportedException>();
        Assert.Contains("before 0.16", error.Message);
        Assert.Contains(why, error.Message);
    }

    [Theory]
    [InlineData("""{ "peft_type": "IA3", "feedforward_modules": ["q"] }""", "ia3_l:6,1", "ia3", "m.q.weight m.q.bias?")]
    [InlineData("""{ "peft_type": "IA3" }""", "ia3_l:1,6", "ia3", "m.q.weight")]
    [InlineData("""{ "peft_type": "IA3", "feedforward_modules": ["q"] }""", "ia3_l:1,6,1,1", "ia3", "m.q.weight")]
    [InlineData("""{ "peft_type": "IA3", "feedforward_modules": ".*\\.k" }""", "ia3_l:1,6,1,1", "ia3", "m.q.weight m.q.bias?")]
    [InlineData("""{ "peft_type": "OFT", "oft_block_size": 32, "peft_version": "0.20.1" }""", "oft_R.weight:1,630", "oft", "m.q.weight")]
    [InlineData("""{ "peft_type": "OFT", "oft_block_size": 0, "r": 7, "peft_version": "0.20.1" }""", "oft_R.weight:6,6", "oft", "m.q.weight")]
    [InlineData("""{ "peft_type": "BOFT", "boft_n_butterfly_factor": 3 }""", "boft_R:1,6,4,4;boft_s:24,1", "boft", "m.q.weight")]
    [InlineData("""{ "peft_type": "ROAD", "group_size": 8 }""", "road_theta:12;road_alpha:12", "road", "m.q.weight m.q.bias?")]
    [InlineData("""{ "peft_type": "LOHA", "r": 2, "alpha": 3 }""", "hada_w1_a:5,2;hada_w1_b:2,6;hada_w2_a:5,2;hada_w2_b:2,6", "loha", "m.q.weight")]
    [InlineData("""{ "peft_type": "HIRA", "rank_pattern": { "q": 3 } }""", "hira_embedding_A:3,6;hira_embedding_B:5,3", "hira", "m.q.weight")]
    [InlineData("""{ "peft_type": "VBLORA" }""", "vblora_logits_A:4,2,9;vblora_logits_B:3,4,9;/vblora_vector_bank:9,5", "vblora", "m.q.weight")]
    [InlineData("""{ "r": 2, "enable_lora": [true, false, true] }""", "lora_A.weight:4,6;lora_B.weight:10,2,1", "lora", "m.q.weight")]
    public void What_is_read(string config, string tensors, string kind, string targets)
    {
        using Adapter adapter = Sample(config, tensors).Read();
        Assert.All(adapter.Deltas, delta => Assert.Equal(kind, delta.Kind));
        Assert.Equal(targets.Split(' '), adapter.Deltas.Select(delta => $"{delta.Target.Path}{(delta.IsOptional ? "?" : "")}"));
        Assert.DoesNotContain(adapter.Issues, issue => issue.Severity == IssueSeverity.Warning);
    }

    [Fact]
    public void An_adapters_name_may_stand_in_the_keys()
    {
        using Adapter adapter = Sample("""{ "peft_type": "OFT", "oft_block_size": 4 }""", "oft_R.default.weight:6,6").Read();
        Assert.Equal("oft", Assert.Single(adapter.Deltas).Kind);
    }

    [Theory]
    [InlineData("", true)]
    [InlineData(", \"peft_version\": \"0.17.1\"", true)]
    [InlineData(", \"peft_version\": \"0.18.0.rc0\"", false)]
    [InlineData(", \"peft_version\": \"1.0\"", false)]
    public void Neumann_series_of_older_versions_are_an_issue(string version, bool expected)
    {
        using Adapter adapter = Sample($$"""{ "peft_type": "OFT", "oft_block_size": 4, "use_cayley_neumann": true{{version}} }""", "oft_R.weight:6,6").Read();
        Assert.Equal(expected, adapter.Issues.Any(issue => issue.Code == "oft_series"));
    }

    [Fact]
    public void Layer_norm_tuning_replaces_what_it_trained()
    {
        using Adapter adapter = Sample("""{ "peft_type": "LN_TUNING" }""", "ln_tuning_layers.weight:6;ln_tuning_layers.bias:6").Read();
        Assert.Empty(adapter.Deltas);
        Assert.Equal(["m.q.weight", "m.q.bias"], adapter.Replacements.Select(r => r.Target.Path));
        Assert.All(adapter.Replacements, r => Assert.Equal(("ln_tuning", null), (r.Reason, r.Rows)));
    }

    [Fact]
    public void AdaLoRA_may_have_pruned_a_module_away()
    {
        PeftSample sample = Sample("""{ "peft_type": "ADALORA", "init_r": 2, "rank_pattern": { "m.q.lora_E": [false, false] } }""", "lora_A:0,6;lora_B:5,0;lora_E:0,1");
        using Adapter adapter = sample.Tensor("base_model.model.m.k.lora_A", 2, 6).Tensor("base_model.model.m.k.lora_B", 5, 2).Tensor("base_model.model.m.k.lora_E", 2, 1).Read();
        Assert.Equal("m.k.weight", Assert.Single(adapter.Deltas).Target.Path);
        Assert.Equal(8 / (2 + 1e-5), Assert.Single(adapter.Deltas).Facts.Scale);
    }

    [Fact]
    public void Trained_biases_and_token_rows_may_lie_beside_a_method()
    {
        PeftSample sample = Sample("""{ "peft_type": "BOFT", "bias": "boft_only", "trainable_token_indices": { "embed": [3, 1] } }""", "boft_R:1,6,4,4;boft_s:24,1;base_layer.bias:24");
        using Adapter adapter = sample.Tensor("base_model.model.embed.token_adapter.trainable_tokens_delta", 2, 6).Read();
        Assert.Equal([("m.q.bias", "bias"), ("embed.weight", "trainable_tokens")], adapter.Replacements.Select(r => (r.Target.Path, r.Reason)));
        Assert.Single(adapter.Deltas);
    }

    [Fact]
    public void A_vector_beyond_the_bank_is_refused()
    {
        TensorValue bank = new MemoryTensor("bank", new TensorShape(3, 2), new float[6]), weights = new MemoryTensor("weights", new TensorShape(1, 1, 1), [0.5f]);
        VectorChoices Choice(byte index) => new(new MemoryTensor("indices", DType.U8, new TensorShape(1, 1, 2), new byte[] { 0, index }), weights, 2);
        ParameterName target = new(new("m.q"), "weight");
        Assert.Equal(2, new VbloraDelta(target, Choice(2), Choice(1), bank).Down.ToDoubles().Length);
        Assert.Contains("'indices' has no position at element 1; expected a whole number from 0 to 2", Assert.Throws<InvalidAdapterException>(() => new VbloraDelta(target, Choice(3), Choice(1), bank).Down.ToDoubles()).Message);
    }

    /// <summary>An adapter of 2023 on queries and values of BLOOM, in a pickle.</summary>
    [Fact]
    public void The_old_merged_linear_of_a_real_file_is_read()
    {
        Assert.SkipWhen(Paths.RealData is null, "no files of other programs on this machine");
        using Adapter adapter = AdapterLayouts.Open(Path.Combine(Paths.RealData!, "peft", "wujindou__BLOOM-LORA"));
        Assert.Equal(24, adapter.Deltas.Count);
        Assert.All(adapter.Deltas, delta => Assert.Equal((new TensorShape(3072, 1024), 8L, 2.0), (delta.Shape!.Value, delta.Facts.Rank!.Value, delta.Facts.Scale!.Value)));
        double[] up = ((FactoredDelta)adapter.Deltas[0]).Up.ToDoubles();
        Assert.All(up[(1024 * 16)..(2048 * 16)], value => Assert.Equal(0, value));
    }

    /// <summary>Tensors of module <c>m.q</c> as <c>name:2,3;…</c>; a slash begins one that belongs to no module.</summary>
    private static PeftSample Sample(string config, string tensors)
    {
        PeftSample sample = new(config);
        foreach (string tensor in tensors.Split(';'))
        {
            (string name, string sizes) = (tensor[..tensor.IndexOf(':')], tensor[(tensor.IndexOf(':') + 1)..]);
            sample.Tensor(name[0] == '/' ? $"base_model.{name[1..]}" : $"base_model.model.m.q.{name}", [.. sizes.Split(',').Select(long.Parse)]);
        }

        return sample;
    }
}
