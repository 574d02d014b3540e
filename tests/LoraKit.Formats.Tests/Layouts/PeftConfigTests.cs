using System.Text;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>adapter_config.json from strangers: read from disk as it is, so that the JSON itself may be broken.</summary>
public sealed class PeftConfigTests
{
    [Theory]
    [InlineData("""{ "peft_type": "LORA", "r": "8" }""", "'r' is \"8\"")]
    [InlineData("""{ "peft_type": "LORA", "r": 8.5 }""", "'r' is 8.5")]
    [InlineData("""{ "peft_type": "LORA", "r": 1e1 }""", "'r' is 1e1")]
    [InlineData("""{ "peft_type": "LORA", "r": null }""", "'r' is null")]
    [InlineData("""{ "peft_type": "LORA", "r": true }""", "'r' is true")]
    [InlineData("""{ "peft_type": "LORA", "r": 99999999999999999999 }""", "'r' is 99999999999999999999")]
    [InlineData("""{ "peft_type": "LORA", "r": 0 }""", "rank 0")]
    [InlineData("""{ "peft_type": "LORA", "r": -8 }""", "rank -8")]
    [InlineData("""{ "peft_type": "LORA", "r": 1000000000 }""", "1000000000")]
    [InlineData("""{ "peft_type": "LORA", "lora_alpha": "16" }""", "'lora_alpha' is \"16\"")]
    [InlineData("""{ "peft_type": "LORA", "lora_alpha": 1e999 }""", "'lora_alpha' is 1e999")]
    [InlineData("""{ "peft_type": "LORA", "lora_alpha": [] }""", "'lora_alpha' is []")]
    [InlineData("""{ "peft_type": "LORA", "use_rslora": 1 }""", "'use_rslora' is 1")]
    [InlineData("""{ "peft_type": "LORA", "fan_in_fan_out": "no" }""", "'fan_in_fan_out'")]
    [InlineData("""{ "peft_type": "LORA", "bias": "some" }""", "'bias' is \"some\"")]
    [InlineData("""{ "peft_type": "LORA", "bias": true }""", "'bias' is true")]
    [InlineData("""{ "peft_type": "LORA", "lora_bias": {} }""", "'lora_bias'")]
    [InlineData("""{ "peft_type": "LORA", "rank_pattern": [] }""", "'rank_pattern' is []")]
    [InlineData("""{ "peft_type": "LORA", "rank_pattern": { "q": "8" } }""", "'rank_pattern.q' is \"8\"")]
    [InlineData("""{ "peft_type": "LORA", "rank_pattern": { "q": 0 } }""", "rank 0 (from rank_pattern 'q')")]
    [InlineData("""{ "peft_type": "LORA", "alpha_pattern": { "q": null } }""", "'alpha_pattern.q' is null")]
    [InlineData("""{ "peft_type": "LORA", "alpha_pattern": { "q": 1e400 } }""", "'alpha_pattern.q'")]
    [InlineData("""{ "peft_type": "LORA", "modules_to_save": "score" }""", "'modules_to_save'")]
    [InlineData("""{ "peft_type": "LORA", "modules_to_save": [3] }""", "'modules_to_save' is 3")]
    [InlineData("""{ "peft_type": "LORA", "target_modules": 3 }""", "'target_modules' is 3")]
    [InlineData("""{ "peft_type": "LORA", "target_modules": [null] }""", "'target_modules' is null")]
    [InlineData("""{ "peft_type": "LORA", "layers_to_transform": "1" }""", "'layers_to_transform' is \"1\"")]
    [InlineData("""{ "peft_type": "LORA", "layers_to_transform": [1.5] }""", "'layers_to_transform' is 1.5")]
    [InlineData("""{ "peft_type": "LORA", "layers_pattern": 1 }""", "'layers_pattern' is 1")]
    [InlineData("""{ "peft_type": "LORA", "init_lora_weights": 3 }""", "'init_lora_weights' is 3")]
    [InlineData("""{ "peft_type": 3 }""", "'peft_type' is 3")]
    [InlineData("""{ "r": 8 }""", "'peft_type' is missing")]
    [InlineData("""{ "peft_type": "LORA", "r": NaN }""", "JSON (line 1, byte ")]
    [InlineData("""{ "peft_type": "LORA", "lora_alpha": Infinity }""", "JSON (line 1")]
    [InlineData("{\n \"peft_type\": \"LORA\",\n}", "JSON (line 3")]
    [InlineData(" ", "JSON (line 1")]
    [InlineData("[]", "no JSON object")]
    [InlineData("null", "no JSON object")]
    [InlineData("""{ "peft_type": "LORA", "r": 4, "r": 8 }""", "'r' is there twice")]
    [InlineData("""{ "peft_type": "LORA", "r": 4, "\u0072": 8 }""", "'r' is there twice")]
    [InlineData("""{ "peft_type": "LORA", "rank_pattern": { "q": 4, "k": 8, "q": 4 } }""", "'rank_pattern.q' is there twice")]
    [InlineData("""{ "peft_type": "LORA", "x": [{ "a": 1 }, { "a": 1, "a": 2 }] }""", "a' is there twice")]
    [InlineData("""{ "peft_type": "LORA", "revision": "\ud800" }""", "no valid text")]
    [InlineData("""{ "peft_type": "LORA", "\ud800": 1 }""", "no valid text")]
    [InlineData("""{ "peft_type": "LORA", "r": "\u001b[31m\n" }""", @"\u001B[31m\n")]
    public void A_broken_configuration_is_refused_with_file_and_setting(string json, string part)
    {
        using TempFolder folder = new();
        AdapterFolder.Write(folder.Path, json);
        InvalidAdapterException error = Assert.Throws<InvalidAdapterException>(() => AdapterLayouts.Open(folder.Path));
        Assert.Contains(part, error.Message);
        Assert.Contains("adapter_config.json", error.Message);
        Assert.DoesNotContain('\n', error.Message);
        Assert.DoesNotContain('\u001b', error.Message);
    }

    [Fact]
    public void Depth_and_size_are_bounded()
    {
        foreach (string json in (string[])[new string('[', 100_000), $"{{ \"peft_type\": \"LORA\", \"a\": {new string('[', 200)}{new string(']', 200)} }}"])
        {
            using TempFolder folder = new();
            AdapterFolder.Write(folder.Path, json);
            Assert.Contains("JSON", Assert.Throws<InvalidAdapterException>(() => AdapterLayouts.Open(folder.Path)).Message);
        }

        using TempFolder large = new();
        AdapterFolder.Write(large.Path, "{}");
        using (FileStream file = File.OpenWrite(large["adapter_config.json"])) file.SetLength((16 << 20) + 1);
        Assert.Contains("16777217 bytes", Assert.Throws<InvalidAdapterException>(() => AdapterLayouts.Open(large.Path)).Message);
    }

    [Fact]
    public void A_byte_order_mark_and_unknown_settings_do_no_harm()
    {
        using TempFolder folder = new();
        AdapterFolder.Write(folder.Path, "{ \"peft_type\": \"LORA\", \"future\": {\"x\": [1e400, -0.0]}, \"lora_alpha\": 4 }");
        string path = folder["adapter_config.json"];
        File.WriteAllBytes(path, [.. Encoding.UTF8.Preamble, .. File.ReadAllBytes(path)]);
        using Adapter adapter = AdapterLayouts.Open(folder.Path);
        Assert.Equal(0.5, ((LowRankDelta)adapter.Deltas[0]).Scale);
        Assert.Equal("""{"x":[1e400,-0.0]}""", adapter.Config!.Json["future"]!.ToJsonString());
    }

    [Fact]
    public void Targets_and_patterns_without_effect_are_issues()
    {
        using Adapter adapter = new PeftSample("""
            { "target_modules": ["q", "v", "m.k"], "rank_pattern": { "x": 3 }, "alpha_pattern": { "y": 3 }, "base_model_name_or_path": null,
              "lora_bias": true, "trainable_token_indices": [1] }
            """).Lora("m.q").Lora("m.k").Lora("m.o").Read();
        Assert.Equal(
            ["base_model_missing", "missing_tensor", "missing_tensor", "pattern_matches_nothing", "pattern_matches_nothing", "target_matches_nothing", "untargeted_module"],
            adapter.Issues.Select(issue => issue.Code).Order(StringComparer.Ordinal));
        Assert.Contains("'v'", adapter.Issues.Single(issue => issue.Code == "target_matches_nothing").Message);
        Assert.Equal("m.o", adapter.Issues.Single(issue => issue.Code == "untargeted_module").Where);
    }

    [Theory]
    [InlineData("\"all-linear\"", "")]
    [InlineData("\".*\\\\.(q|k)\"", "")]
    [InlineData("\".*q\"", "untargeted_module m.k")]
    [InlineData("\"m.q|m.k\"", "")]
    [InlineData("\"q\"", "untargeted_module m.q,untargeted_module m.k")]
    [InlineData("\"(q\"", "target_not_checked target_modules")]
    [InlineData("null", "")]
    [InlineData("[\"q\", \"k\"]", "")]
    [InlineData("[\"m.q\", \"k\"]", "")]
    [InlineData("[\"m.q\", \".k\"]", "untargeted_module m.k,target_matches_nothing target_modules")]
    public void Targets_are_compared_with_the_modules_of_the_file(string target, string issues)
    {
        using Adapter adapter = new PeftSample($$"""{ "target_modules": {{target}} }""").Lora("m.q").Lora("m.k").Read();
        Assert.Equal(issues, string.Join(',', adapter.Issues.Select(issue => $"{issue.Code} {issue.Where}")));
    }

    [Theory]
    [InlineData("true", 1)]
    [InlineData("false", 0)]
    public void One_update_written_for_embedding_and_head_is_an_issue(string tied, int issues)
    {
        using Adapter adapter = new PeftSample($$"""{ "ensure_weight_tying": {{tied}} }""").Lora("lm_head", 8, 6, 9)
            .Tensor("base_model.model.embed_tokens.lora_embedding_A", 8, 9).Tensor("base_model.model.embed_tokens.lora_embedding_B", 6, 8).Read();
        Assert.Equal(issues, adapter.Issues.Count(issue => issue.Code == "tied_factors"));
    }

    [Theory]
    [InlineData("1", "null", "m.layers.0.q")]
    [InlineData("[1]", "null", "m.layers.0.q")]
    [InlineData("[0, 1]", "null", "")]
    [InlineData("[]", "null", "")]
    [InlineData("null", "\"layers\"", "")]
    [InlineData("[1]", "\"layers\"", "m.layers.0.q")]
    [InlineData("[1]", "[\"h\", \"layers\"]", "m.layers.0.q")]
    [InlineData("[1]", "\"h\"", "m.layers.0.q,m.layers.1.q")]
    [InlineData("[1]", "\"(layers)\"", "")] // an expression is not looked into
    public void Layers_that_were_not_chosen_are_issues(string layers, string pattern, string untargeted)
    {
        using Adapter adapter = new PeftSample($$"""{ "target_modules": ["q"], "layers_to_transform": {{layers}}, "layers_pattern": {{pattern}} }""")
            .Lora("m.layers.0.q").Lora("m.layers.1.q").Read();
        Assert.Equal(untargeted, string.Join(',', adapter.Issues.Select(issue => issue.Where)));
    }

    [Fact]
    public void A_target_expression_that_backtracks_for_ever_stops()
    {
        using Adapter adapter = new PeftSample("""{ "target_modules": "(?=a)(a+)+[b]" }""").Lora(new string('a', 60)).Read();
        Assert.Contains("too long", Assert.Single(adapter.Issues).Message);
    }
}
