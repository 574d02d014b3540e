using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>Ranks, scales, targets and replacements that an operation changed: what is written must be what is read back.</summary>
public sealed class PeftWrittenConfigTests
{
    private const string Leaves = """{ "peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q", "k"] """;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Any_ranks_and_scales_read_back(bool rankStabilized)
    {
        Random random = new(5);
        for (int round = 0; round < 60; round++)
        {
            LowRankDelta[] modules =
            [
                .. Enumerable.Range(0, 1 + random.Next(6)).Select(i =>
                {
                    long rank = 1 + random.Next(round % 2 == 0 ? 3 : 65);
                    double scale = round % 3 == 0 ? random.Next(1, 5) / (double)rank : (random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-20, 20));
                    return PeftWriteTests.Update($"m.{i % 3}.{(i % 2 == 0 ? "q" : "k")}{(i > 2 ? ".q" : "")}", rank, scale);
                }),
            ];
            using SavedAdapter saved = Save(rankStabilized ? Leaves + """, "use_rslora": true }""" : Leaves + "}", modules);
            foreach (LowRankDelta module in modules)
            {
                LowRankDelta back = (LowRankDelta)saved.Adapter.Deltas.Single(delta => delta.Target == module.Target);
                Assert.Equal(module.Rank, back.Rank);
                if (back.Scale != module.Scale) AssertNoAlphaGives(module, saved.Adapter.Config!.Json["use_rslora"] is JsonValue flag && flag.GetValue<bool>(), back.Scale);
            }

            Assert.DoesNotContain(saved.Adapter.Issues, issue => issue.Code != "base_model_missing");
        }
    }

    [Fact]
    public void Where_all_agree_there_are_no_patterns()
    {
        using SavedAdapter saved = Save(Leaves + """, "rank_pattern": {"k": 2}, "alpha_pattern": {"k": 3} }""", PeftWriteTests.Update("m.q", 5, 0.5), PeftWriteTests.Update("m.k", 5, 0.5));
        AssertSettings(saved, """{ "r": 5, "lora_alpha": 2.5, "rank_pattern": {}, "alpha_pattern": {}, "target_modules": ["q", "k"] }""");
    }

    [Fact]
    public void Patterns_stay_while_they_are_true_in_their_order()
    {
        // Sorted, the second would come first and decide for both.
        const string patterns = """, "rank_pattern": {"z.q": 2, "q": 4}, "alpha_pattern": {} }""";
        using SavedAdapter same = Save(Leaves + patterns, PeftWriteTests.Update("z.q", 2, 4), PeftWriteTests.Update("y.q", 4, 2), PeftWriteTests.Update("m.k", 4, 2));
        AssertSettings(same, """{ "r": 4, "lora_alpha": 8, "rank_pattern": {"z.q": 2, "q": 4}, "alpha_pattern": {} }""");
        Assert.True(same.Config.IndexOf("z.q", StringComparison.Ordinal) < same.Config.IndexOf("\"q\"", StringComparison.Ordinal));
    }

    [Fact]
    public void Patterns_that_still_speak_for_like_modules_stay_with_new_numbers()
    {
        const string patterns = """, "rank_pattern": {"z.q": 2, "q": 6, "gone": 9}, "alpha_pattern": {"q": 16} }""";
        using SavedAdapter saved = Save(
            Leaves + patterns, PeftWriteTests.Update("z.q", 1, 3), PeftWriteTests.Update("x.q", 3, 1), PeftWriteTests.Update("y.q", 3, 1), PeftWriteTests.Update("m.k", 2, 2));
        AssertSettings(saved, """{ "r": 2, "lora_alpha": 4, "rank_pattern": {"z.q": 1, "q": 3}, "alpha_pattern": {"q": 3} }""");
    }

    [Fact]
    public void Else_every_exception_is_named_in_full()
    {
        using SavedAdapter saved = Save(
            Leaves + """, "rank_pattern": {"q": 6} }""", PeftWriteTests.Update("a.0.q", 1, 1), PeftWriteTests.Update("a.1.q", 3, 1), PeftWriteTests.Update("a.0.k", 3, 1), PeftWriteTests.Update("a.1.k", 3, 2));
        AssertSettings(saved, """{ "r": 3, "lora_alpha": 3, "rank_pattern": {"a.0.q": 1}, "alpha_pattern": {"a.0.q": 1, "a.1.k": 6} }""");
    }

    [Fact]
    public void A_path_that_ends_another_is_anchored()
    {
        // `q` ends `a.q` and `b.a.q`; the dot of `a.q` is any character, so it would also decide for `b.a_q`.
        using SavedAdapter saved = Save("{}",
            PeftWriteTests.Update("q", 1, 1), PeftWriteTests.Update("a.q", 2, 1), PeftWriteTests.Update("b.a.q", 3, 1), PeftWriteTests.Update("b.a_q", 5, 1), PeftWriteTests.Update("c.(q)+", 6, 1),
            PeftWriteTests.Update("d.k", 7, 1), PeftWriteTests.Update("e.k", 8, 1), PeftWriteTests.Update("f.k", 8, 1));
        AssertSettings(saved, """
            { "r": 8, "rank_pattern": {"^a\\.q": 2, "^b\\.a\\.q": 3, "^c\\.\\(q\\)\\+": 6, "^q": 1, "b.a_q": 5, "d.k": 7} }
            """);
    }

    [Theory]
    [InlineData("m.q", "x.mxq")]
    [InlineData("m.1", "m11")]
    [InlineData("a.b.c", "z.a1b2c")]
    public void A_dot_that_stands_for_a_letter_or_digit_of_another_path_is_escaped(string path, string other)
    {
        using SavedAdapter saved = Save("{}", PeftWriteTests.Update(path, 1, 1), PeftWriteTests.Update(other, 2, 1), PeftWriteTests.Update("e.k", 3, 1), PeftWriteTests.Update("f.k", 3, 1));
        Assert.Equal(
            new Dictionary<string, long> { [path] = 1, [other] = 2, ["e.k"] = 3, ["f.k"] = 3 },
            saved.Adapter.Deltas.ToDictionary(delta => delta.Target.Module.Path, delta => ((LowRankDelta)delta).Rank));
        Assert.Contains($"\"^{path.Replace(".", @"\\.", StringComparison.Ordinal)}\": 1", saved.Config, StringComparison.Ordinal);
    }

    [Fact]
    public void RsLoRA_is_given_up_where_only_the_plain_quotient_is_exact()
    {
        // α/√3 = 0.1 has no solution in doubles; α/4 has one for every scale.
        using SavedAdapter kept = Save(Leaves + """, "use_rslora": true }""", PeftWriteTests.Update("m.q", 4, 0.1));
        AssertSettings(kept, """{ "r": 4, "lora_alpha": 0.2, "use_rslora": true }""");
        Random random = new(3);
        for (int i = 0; i < 50; i++)
        {
            double scale = random.NextDouble();
            using SavedAdapter saved = Save(Leaves + """, "use_rslora": true }""", PeftWriteTests.Update("m.q", 8, scale));
            Assert.Equal(scale, ((LowRankDelta)saved.Adapter.Deltas[0]).Scale);
        }
    }

    [Fact]
    public void Targets_stay_where_they_name_the_modules_and_nothing_else()
    {
        LowRankDelta[] both = [PeftWriteTests.Update("a.q", 4, 2), PeftWriteTests.Update("a.k", 4, 2)];
        using SavedAdapter same = Save(Leaves + "}", both);
        AssertSettings(same, """{ "target_modules": ["q", "k"] }""");

        using SavedAdapter pattern = Save("""{ "peft_type": "LORA", "target_modules": "a\\.[qk]", "exclude_modules": "b.*" }""", both);
        AssertSettings(pattern, """{ "target_modules": "a\\.[qk]", "exclude_modules": "b.*" }""");

        using SavedAdapter excluded = Save(Leaves + """, "exclude_modules": ["k"] }""", both);
        AssertSettings(excluded, """{ "target_modules": ["a.k", "a.q"], "exclude_modules": null }""");

        using SavedAdapter fewer = Save(Leaves + "}", both[0]);
        AssertSettings(fewer, """{ "target_modules": ["a.q"] }""");

        using SavedAdapter more = Save(Leaves + """, "layers_to_transform": [0], "layers_pattern": "layers" }""",
            PeftWriteTests.Update("m.layers.0.q", 4, 2), PeftWriteTests.Update("m.layers.0.k", 4, 2), PeftWriteTests.Update("m.layers.1.k", 4, 2));
        AssertSettings(more, """{ "target_modules": ["m.layers.0.k", "m.layers.0.q", "m.layers.1.k"], "layers_to_transform": null, "layers_pattern": null }""");
    }

    [Theory]
    [InlineData("a.norm b.norm", """["k", "q"]""")]
    [InlineData("a.norm c.q", """["a.k", "a.q", "b.q"]""")]
    public void With_all_modules_of_the_base_known_the_last_names_suffice_if_they_select_no_more(string others, string targets)
    {
        LowRankDelta[] modules = [PeftWriteTests.Update("a.q", 4, 2), PeftWriteTests.Update("b.q", 4, 2), PeftWriteTests.Update("a.k", 4, 2)];
        using SavedAdapter saved = new(new Adapter("x", "peft", null)
        {
            Deltas = modules,
            BaseModules = [.. modules.Select(module => module.Target.Module), .. others.Split(' ').Select(name => new ModuleName(name))],
        });
        Assert.Equal(targets, saved.Adapter.Config!.Json["target_modules"]!.ToJsonString().Replace(",", ", "));
    }

    [Fact]
    public void Replacements_of_any_origin_are_named_so_that_they_are_read()
    {
        static Replacement Full(string module, string parameter, string reason) => new(new(new(module), parameter), new MemoryTensor("x", new TensorShape(3), [1f, 2, 3]), null, reason);
        Replacement[] replacements =
        [
            Full("m.norm", "weight", "norms"), Full("m.norm", "bias", "norms"), Full("m.q", "bias", "biases"), Full("m.v", "bias", "bias"), Full("embed_tokens", "weight", "embeddings"),
            Full("lm_head", "weight", "modules_to_save"), Full("m.relative_attention_bias", "weight", "bias"),
        ];
        using SavedAdapter saved = new(new Adapter("x", "peft", null) { Deltas = [PeftWriteTests.Update("m.q", 4, 2)], Replacements = replacements });
        SavedAdapter.AssertSame(new Adapter("x", "peft", null) { Deltas = [PeftWriteTests.Update("m.q", 4, 2)], Replacements = replacements }, saved.Adapter);
        AssertSettings(saved, """{ "modules_to_save": ["lm_head", "m.norm"], "bias": "all" }""");
        Assert.Equal(
            ["embed_tokens.weight", "lm_head.weight", "m.norm.bias", "m.norm.weight", "m.q.base_layer.bias", "m.q.lora_A.weight", "m.q.lora_B.weight", "m.relative_attention_bias.weight", "m.v.bias"],
            saved.Tensors().Select(tensor => tensor.Name["base_model.model.".Length..]));
    }

    [Fact]
    public void Rows_of_tokens_are_listed_by_their_embedding()
    {
        static Replacement Rows(string module, params long[] rows) => new(new(new(module), "weight"), new MemoryTensor("x", new TensorShape(rows.Length, 2), new float[2 * rows.Length]), rows, "trainable_tokens");
        Adapter two = new("x", "peft", null) { Deltas = [PeftWriteTests.Update("m.q", 4, 2)], Replacements = [Rows("m.wte", 5, 1), Rows("m.wpe", 7)] };
        using SavedAdapter saved = new(two);
        SavedAdapter.AssertSame(two, saved.Adapter);
        AssertSettings(saved, """{ "trainable_token_indices": {"m.wpe": [7], "m.wte": [5, 1]} }""");

        Adapter changed = new("x", "peft", null) { Deltas = two.Deltas, Replacements = [Rows("m.wte", 3)], Config = new(JsonNode.Parse("""{ "peft_type": "LORA", "trainable_token_indices": [5, 1] }""")!.AsObject()) };
        using SavedAdapter one = new(changed);
        AssertSettings(one, """{ "trainable_token_indices": [3] }""");

        using SavedAdapter none = Save("""{ "peft_type": "LORA", "trainable_token_indices": [5, 1] }""", PeftWriteTests.Update("m.q", 4, 2));
        AssertSettings(none, """{ "trainable_token_indices": null }""");

        Adapter only = new("x", "peft", null) { Deltas = [], Replacements = [Rows("m.wte", 3, 4)], Config = new(JsonNode.Parse("""{ "peft_type": "TRAINABLE_TOKENS", "token_indices": [9] }""")!.AsObject()) };
        using SavedAdapter tokens = new(only);
        SavedAdapter.AssertSame(only, tokens.Adapter);
        AssertSettings(tokens, """{ "peft_type": "TRAINABLE_TOKENS", "token_indices": [3, 4] }""");
        Assert.Equal(["base_model.model.m.wte.trainable_tokens_delta"], tokens.Tensors().Select(tensor => tensor.Name));

        Adapter nested = new("x", "peft", null) { Deltas = [], Replacements = [Rows("m.wte", 3), Rows("wte", 4)] };
        Assert.Contains("cannot be told apart", Assert.Throws<UnsupportedException>(() => new SavedAdapter(nested)).Message);
    }

    private static SavedAdapter Save(string config, params LowRankDelta[] modules) =>
        new(new Adapter("x", "peft", null) { Deltas = modules, Config = new AdapterConfig(JsonNode.Parse(config)!.AsObject()) });

    private static void AssertSettings(SavedAdapter saved, string expected)
    {
        JsonObject config = saved.Adapter.Config!.Json;
        foreach ((string name, JsonNode? value) in JsonNode.Parse(expected)!.AsObject())
        {
            Assert.True(JsonNode.DeepEquals(value, config[name]), $"{name}: {config[name]?.ToJsonString()} instead of {value?.ToJsonString()}");
        }
    }

    /// <summary>No double divided by the divisor is the scale, and what was read is its neighbour.</summary>
    private static void AssertNoAlphaGives(LowRankDelta module, bool rankStabilized, double read)
    {
        double divisor = rankStabilized ? Math.Sqrt(module.Rank) : module.Rank;
        double alpha = module.Scale * divisor;
        for (int step = 0; step < 4; step++) alpha = Math.BitDecrement(alpha);
        for (int step = 0; step < 9; step++, alpha = Math.BitIncrement(alpha))
        {
            Assert.NotEqual(module.Scale, alpha / divisor);
        }

        Assert.True(read == Math.BitIncrement(module.Scale) || read == Math.BitDecrement(module.Scale), $"{read} for {module.Scale}");
    }
}
