using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>What replaces base values, and what has no business in an adapter's file.</summary>
public sealed class PeftReplacementTests
{
    [Theory]
    [InlineData("""{ "modules_to_save": ["score"] }""", "score.weight", "score.weight", "modules_to_save")]
    [InlineData("""{ "modules_to_save": ["score"] }""", "score.0.weight", "score.0.weight", "modules_to_save")]
    [InlineData("""{ "modules_to_save": ["score"] }""", "score.dense.bias", "score.dense.bias", "modules_to_save")]
    [InlineData("""{ "modules_to_save": ["score"] }""", "my_score.weight", "my_score.weight", "modules_to_save")] // endswith, as PEFT does
    [InlineData("""{ "modules_to_save": ["a.score"] }""", "m.a.score.weight", "m.a.score.weight", "modules_to_save")]
    [InlineData("""{ "modules_to_save": ["lm_head"] }""", "lm_head.weight", "lm_head.weight", "modules_to_save")]
    [InlineData("{}", "score.modules_to_save.weight", "score.weight", "modules_to_save")]
    [InlineData("{}", "score.modules_to_save.default.weight", "score.weight", "modules_to_save")]
    [InlineData("{}", "score.modules_to_save.0.weight", "score.0.weight", "modules_to_save")]
    [InlineData("""{ "task_type": "SEQ_CLS" }""", "classifier.dense.weight", "classifier.dense.weight", "modules_to_save")]
    [InlineData("""{ "task_type": "SEQ_CLS", "modules_to_save": null }""", "score.weight", "score.weight", "modules_to_save")]
    [InlineData("""{ "task_type": "TOKEN_CLS" }""", "classifier.bias", "classifier.bias", "modules_to_save")]
    [InlineData("""{ "task_type": "QUESTION_ANS" }""", "qa_outputs.weight", "qa_outputs.weight", "modules_to_save")]
    [InlineData("{}", "model.embed_tokens.weight", "model.embed_tokens.weight", "embedding")]
    [InlineData("{}", "lm_head.weight", "lm_head.weight", "embedding")]
    [InlineData("{}", "lm_head.bias", "lm_head.bias", "embedding")]
    [InlineData("{}", "transformer.wte.weight", "transformer.wte.weight", "embedding")]
    [InlineData("{}", "lm_head.base_layer.weight", "lm_head.weight", "embedding")]
    [InlineData("{}", "model.embed_tokens.base_layer.weight", "model.embed_tokens.weight", "embedding")]
    [InlineData("{}", "model.embed_tokens.token_adapter.base_layer.weight", "model.embed_tokens.weight", "embedding")]
    [InlineData("""{ "bias": "all" }""", "norm.bias", "norm.bias", "bias")]
    [InlineData("""{ "bias": "all" }""", "m.q.base_layer.bias", "m.q.bias", "bias")]
    [InlineData("""{ "bias": "all" }""", "enc.relative_attention_bias.weight", "enc.relative_attention_bias.weight", "bias")]
    [InlineData("""{ "bias": "lora_only" }""", "m.q.base_layer.bias", "m.q.bias", "bias")]
    [InlineData("""{ "bias": "lora_only" }""", "m.q.bias", "m.q.bias", "bias")]
    public void A_saved_parameter_replaces_the_base_s(string config, string key, string target, string reason)
    {
        using Adapter adapter = new PeftSample(config).Lora("m.q").Tensor("base_model.model." + key, 5).Read();
        Replacement saved = Assert.Single(adapter.Replacements);
        Assert.Equal((target, reason), (saved.Target.Path, saved.Reason));
        Assert.Null(saved.Rows);
        Assert.Single(adapter.Deltas);
    }

    [Theory]
    [InlineData("{}", "m.q.weight")]
    [InlineData("{}", "m.k.weight")]
    [InlineData("{}", "norm.bias")]
    [InlineData("{}", "m.q.base_layer.weight")]
    [InlineData("{}", "m.q.base_layer.bias")]
    [InlineData("{}", "score.weight")]
    [InlineData("{}", "m.q.lora_C.weight")]
    [InlineData("{}", "m.q.lora_A.bias")]
    [InlineData("{}", "m.q.lora_A")]
    [InlineData("{}", "m.q.lora_A.a.b.weight")]
    [InlineData("{}", "m.q.lora_B.bias")]
    [InlineData("{}", "m.q.alpha")] // not a scalar, so no stray alpha
    [InlineData("{}", "m.k.alpha")]
    [InlineData("{}", "")]
    [InlineData("{}", "..")]
    [InlineData("""{ "modules_to_save": ["score"] }""", "score")]
    [InlineData("""{ "modules_to_save": [""] }""", "m.k.weight")]
    [InlineData("""{ "bias": "lora_only" }""", "norm.bias")]
    [InlineData("""{ "bias": "all" }""", "norm.weight")]
    [InlineData("""{ "task_type": "CAUSAL_LM" }""", "score.weight")]
    public void Whatever_is_left_is_an_error(string config, string key)
    {
        string name = "base_model.model." + key;
        InvalidAdapterException error = new PeftSample(config).Lora("m.q").Tensor(name, 5).Fails<InvalidAdapterException>();
        Assert.Contains("1 of 3 tensors", error.Message);
        Assert.Contains($"'{name}' [5]", error.Message);
        Assert.Equal(name, error.Tensor);
    }

    [Fact]
    public void All_leftovers_are_listed_at_once_and_escaped()
    {
        InvalidAdapterException error = new PeftSample().Lora("m.q")
            .Tensor("base_model.model.half.lora_A.weight", 8, 4).Tensor("base_model.model.other.lora_B.weight", 4, 8)
            .Tensor("base_model.model.e.lora_embedding_B", 4, 8).Tensor("evil\u001b[31m\n\u202etensor", 1).Fails<InvalidAdapterException>();
        Assert.Contains("4 of 6 tensors", error.Message);
        Assert.Contains("'base_model.model.half.lora_A.weight' [8, 4] (A without its B)", error.Message);
        Assert.Contains("'base_model.model.other.lora_B.weight' [4, 8] (B without its A)", error.Message);
        Assert.Contains("'base_model.model.e.lora_embedding_B' [4, 8] (B without its A)", error.Message);
        Assert.Contains(@"'evil\u{001b}[31m\u{000a}\u{202e}tensor'", error.Message);
    }

    [Fact]
    public void A_name_has_a_bounded_length()
    {
        InvalidAdapterException error = new PeftSample().Lora(string.Join('.', Enumerable.Repeat("a", 600))).Fails<InvalidAdapterException>();
        Assert.Contains("1000 characters", error.Message);
        Assert.True(error.Message.Length < 500);
    }

    [Fact]
    public void A_message_about_very_many_leftovers_stays_short()
    {
        PeftSample sample = new PeftSample().Lora("m.q");
        for (int i = 0; i < 5000; i++) sample.Tensor($"stray.{i}.{new string('x', 300)}", 1);
        InvalidAdapterException error = sample.Fails<InvalidAdapterException>();
        Assert.Contains("5000 of 5002 tensors", error.Message);
        Assert.Contains("and 4900 more", error.Message);
        Assert.True(error.Message.Length < 40_000);
    }

    [Theory]
    [InlineData("m.q.lora_A.weight", "m.q.lora_A.default.weight")]
    [InlineData("m.q.lora_A.weight", "m._orig_mod.q.lora_A.weight")]
    public void Two_spellings_of_one_factor_are_an_error(string first, string second)
    {
        InvalidAdapterException error = new PeftSample().Lora("m.q").Tensor("base_model.model." + second, 8, 6).Fails<InvalidAdapterException>();
        Assert.Contains(first, error.Message);
        Assert.Contains(second, error.Message);
    }

    [Fact]
    public void With_and_without_prefix_collide()
    {
        InvalidAdapterException error = new PeftSample().Lora("m.q").Lora("m.q", prefix: "").Fails<InvalidAdapterException>();
        Assert.Contains("'m.q.lora_A.weight'", error.Message);
    }

    [Fact]
    public void Linear_and_embedding_factors_of_one_module_are_an_error()
    {
        InvalidAdapterException error = new PeftSample().Lora("e").Tensor("base_model.model.e.lora_embedding_A", 8, 9)
            .Tensor("base_model.model.e.lora_embedding_B", 4, 8).Fails<InvalidAdapterException>();
        Assert.Contains("'e'", error.Message);
    }

    [Theory]
    [InlineData("lora_A.one.weight", "lora_B.two.weight")]
    [InlineData("lora_A.one.weight", "lora_B.weight")]
    public void Keys_of_several_adapters_are_an_error(string a, string b)
    {
        InvalidAdapterException error = new PeftSample().Tensor("base_model.model.q." + a, 8, 4).Tensor("base_model.model.q." + b, 4, 8)
            .Fails<InvalidAdapterException>();
        Assert.Contains("'one'", error.Message);
    }

    [Theory]
    [InlineData("m.q.base_layer.bias", "m.q.bias")]
    [InlineData("lm_head.base_layer.weight", "lm_head.weight")]
    public void Two_spellings_of_one_parameter_are_an_error(string first, string second)
    {
        InvalidAdapterException error = new PeftSample("""{ "bias": "all" }""").Lora("m.q").Tensor("base_model.model." + first, 5)
            .Tensor("base_model.model." + second, 5).Fails<InvalidAdapterException>();
        Assert.Contains("same parameter", error.Message);
    }

    [Fact]
    public void PEFT_s_second_copy_of_a_saved_module_is_noted_and_not_used()
    {
        foreach (bool first in (bool[])[true, false])
        {
            PeftSample sample = new PeftSample("""{ "bias": "all", "modules_to_save": ["score"] }""").Lora("m.q");
            if (first) sample.Tensor("base_model.model.score.modules_to_save.bias", 3);
            sample.Tensor("base_model.model.score.bias", 3).Tensor("base_model.model.score.original_module.bias", 3);
            if (!first) sample.Tensor("base_model.model.score.modules_to_save.bias", 3);
            using Adapter adapter = sample.Read();
            Assert.Equal("base_model.model.score.bias", Assert.Single(adapter.Replacements).Values.Name);
            Assert.Contains(adapter.Issues, issue => issue is { Code: "duplicate_tensor", Severity: IssueSeverity.Info });
            Assert.Contains(adapter.Issues, issue => issue is { Code: "ignored_tensor", Severity: IssueSeverity.Info });
        }
    }

    [Theory]
    [InlineData("alpha")]
    [InlineData("base_model.model.m.q.alpha")]
    public void A_stray_alpha_is_noted_and_not_used(string key)
    {
        using Adapter adapter = new PeftSample().Lora("m.q").Tensor(key).Read();
        AdapterIssue issue = Assert.Single(adapter.Issues, issue => issue.Code == "stray_tensor");
        Assert.Equal((IssueSeverity.Warning, key), (issue.Severity, issue.Where));
        Assert.Equal(1.0, ((LowRankDelta)adapter.Deltas[0]).Scale);
    }

    [Theory]
    [InlineData("m.q.lora_velora_embed.default")]
    [InlineData("m.q.lora_monteclora_sampler.default.weight")]
    [InlineData("m.q.lora_monteclora_sampler.std_prior")]
    [InlineData("score.original_module.weight")]
    [InlineData("score.original_module.base_layer.lora_A.weight")]
    [InlineData("e.token_adapter.trainable_tokens_original.default")]
    public void Training_state_is_noted_and_not_read(string key)
    {
        using Adapter adapter = new PeftSample().Lora("m.q").Tensor("base_model.model." + key, 3).Read();
        Assert.Single(adapter.Issues, issue => issue is { Code: "ignored_tensor", Severity: IssueSeverity.Info });
        Assert.Empty(adapter.Replacements);
    }

    [Theory]
    [InlineData("""{ "trainable_token_indices": [9, 0, 4] }""", "model.embed_tokens.token_adapter.trainable_tokens_delta")]
    [InlineData("""{ "trainable_token_indices": [9, 0, 4] }""", "model.embed_tokens.token_adapter.trainable_tokens_delta.default")]
    [InlineData("""{ "trainable_token_indices": { "embed_tokens": [9, 0, 4] } }""", "model.embed_tokens.token_adapter.trainable_tokens_delta")]
    [InlineData("""{ "trainable_token_indices": { "lm_head": [1], "model.embed_tokens": [9, 0, 4] } }""", "model.embed_tokens.token_adapter.trainable_tokens_delta")]
    [InlineData("""{ "trainable_token_indices": { "tokens": [9, 0, 4], "embed_tokens": [9, 0, 4] } }""", "model.embed_tokens.token_adapter.trainable_tokens_delta")]
    [InlineData("""{ "peft_type": "TRAINABLE_TOKENS", "token_indices": [9, 0, 4] }""", "model.embed_tokens.trainable_tokens_delta")]
    public void Token_rows_take_their_indices_from_the_configuration(string config, string key)
    {
        using Adapter adapter = new PeftSample(config).Tensor("base_model.model." + key, 3, 6).Read();
        Replacement rows = Assert.Single(adapter.Replacements);
        Assert.Equal(("model.embed_tokens.weight", "trainable_tokens"), (rows.Target.Path, rows.Reason));
        Assert.Equal([9L, 0, 4], rows.Rows!);
        Assert.Empty(adapter.Deltas);
    }

    [Theory]
    [InlineData("{}", "no indices")]
    [InlineData("""{ "trainable_token_indices": null }""", "no indices")]
    [InlineData("""{ "trainable_token_indices": { "lm_head": [1, 2, 3] } }""", "no indices")]
    [InlineData("""{ "trainable_token_indices": { "tokens": [1, 2, 3], "embed_tokens": [3, 2, 1] } }""", "2 different lists")]
    [InlineData("""{ "trainable_token_indices": [1, 2] }""", "has 3 rows, but 2")]
    [InlineData("""{ "trainable_token_indices": [1, -2, 3] }""", "-2 is negative")]
    [InlineData("""{ "trainable_token_indices": [1, 2, 1] }""", "1 is given twice")]
    [InlineData("""{ "trainable_token_indices": [1, 2, 2.5] }""", "2.5")]
    [InlineData("""{ "trainable_token_indices": [1, 2, 99999999999999999999] }""", "99999999999999999999")]
    [InlineData("""{ "trainable_token_indices": 3 }""", "a list of whole numbers")]
    [InlineData("""{ "trainable_token_indices": { "embed_tokens": 3 } }""", "trainable_token_indices.embed_tokens")]
    public void Token_rows_without_sound_indices_are_an_error(string config, string part)
    {
        InvalidAdapterException error = new PeftSample(config)
            .Tensor("base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta", 3, 6).Fails<InvalidAdapterException>();
        Assert.Contains(part, error.Message);
    }

    [Fact]
    public void A_resized_embedding_and_single_rows_of_it_may_go_together()
    {
        using Adapter adapter = new PeftSample("""{ "trainable_token_indices": [1] }""")
            .Tensor("base_model.model.embed_tokens.token_adapter.trainable_tokens_delta", 1, 6)
            .Tensor("base_model.model.embed_tokens.token_adapter.base_layer.weight", 40, 6).Read();
        Assert.Equal(["embedding", "trainable_tokens"], adapter.Replacements.Select(r => r.Reason).Order());
    }

    [Fact]
    public void Nothing_is_no_adapter()
    {
        Assert.Contains("no update", new PeftSample().Fails<InvalidAdapterException>().Message);
        Assert.Contains("no update", new PeftSample().Tensor("base_model.model.a.original_module.weight", 3).Fails<InvalidAdapterException>().Message);
    }

    [Fact]
    public void Factors_have_no_place_beside_token_training()
    {
        Assert.Contains("2 of 3", new PeftSample("""{ "peft_type": "TRAINABLE_TOKENS", "token_indices": [0] }""").Lora("m.q")
            .Tensor("base_model.model.e.trainable_tokens_delta", 1, 6).Fails<InvalidAdapterException>().Message);
    }
}
