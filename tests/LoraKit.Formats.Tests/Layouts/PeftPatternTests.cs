using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>rank_pattern and alpha_pattern: which module takes which entry, and patterns that must not be believed.</summary>
public sealed class PeftPatternTests
{
    /// <summary>What <c>re.match(rf"(.*\.)?({key})$", name)</c> says.</summary>
    [Theory]
    [InlineData("q", "layers.0.q", true)]
    [InlineData("q", "layers.0.eq", false)]
    [InlineData("q", "q", true)]
    [InlineData("layers.1.q", "layers.11.q", false)]
    [InlineData("layers.1.q", "model.layers.1.q", true)]
    [InlineData("layers.1.q", "layers_1.q", true)] // the dot is any character
    [InlineData(@"layers\.1\.q", "layersx1.q", false)]
    [InlineData("^layers.0.q", "layers.0.q", true)]
    [InlineData("^layers.0.q", "model.layers.0.q", false)]
    [InlineData("^q", "layers.0.q", false)]
    [InlineData("a|q", "layers.0.q", true)]
    [InlineData("a|q", "layers.0.qa", false)]
    [InlineData("layers", "layers.0.q", false)]
    [InlineData(@".*\.1\..*k_proj", "model.layers.1.self_attn.k_proj", true)]
    [InlineData(@".*\.1\..*k_proj", "model.layers.2.self_attn.k_proj", false)]
    [InlineData("q$", "layers.0.q", true)]
    [InlineData(@"q\Z", "layers.0.q", true)]
    [InlineData("q", "layers.0.q\n", true)] // $ also stands before a last newline
    [InlineData(@"q\Z", "layers.0.q\n", false)]
    [InlineData("q", "layers.0.q\n\n", false)]
    [InlineData("q", "la\nyers.0.q", false)] // a dot is no newline
    [InlineData(@"(?P<side>q|k)_proj", "a.k_proj", true)]
    [InlineData(@"(?P<x>[qk])(?P=x)", "a.qq", true)]
    [InlineData(@"(?P<x>[qk])(?P=x)", "a.qk", false)]
    [InlineData(@"([qk])\3", "a.kk", true)] // groups 1 and 2 are PEFT's own
    [InlineData(@"([qk])\3", "a.kq", false)]
    [InlineData(@"q{,2}_p", "a.qq_p", true)]
    [InlineData(@"q{,2}_p", "a.qqq_p", false)]
    [InlineData(@"q{1,2}", "a.qq", true)]
    [InlineData(@"q{2}?", "a.qq", true)]
    [InlineData(@"q{x}", "a.q{x}", true)]
    [InlineData(@"self\_attn", "a.self_attn", true)]
    [InlineData(@"[a-z-[aeiou]+", "a.b[-", true)] // no class subtraction in Python
    [InlineData(@"[]q]+", "a.q]", true)]
    [InlineData(@"[^]q]+", "a.xyz", true)]
    [InlineData(@"[\w.]+_proj", "a.b.q_proj", true)]
    [InlineData(@"\d+\.q", "layers.17.q", true)]
    [InlineData(@"(?!v)._proj", "a.q_proj", true)]
    [InlineData(@"(?!v)._proj", "a.v_proj", false)]
    [InlineData(@"(?i:Q)_proj", "a.q_proj", true)]
    [InlineData(@"\x71_proj", "a.q_proj", true)]
    [InlineData("q_proj(?#the query)", "a.q_proj", true)]
    [InlineData("x)|(y", "x", true)] // the key is pasted between parentheses, so this is (.*\.)?(x)|(y)$
    [InlineData("x)|(y", "y", true)]
    [InlineData("x)|(y", "x_and_more", true)]
    [InlineData("(a|b).q", "m.b.q", true)]
    [InlineData("(a|b).q", "m.b.k", false)]
    [InlineData("[(|]x|k", "k", true)]
    [InlineData("", "a.", true)]
    [InlineData("é", "a.é", true)]
    public void A_key_matches_as_in_Python(string key, string module, bool matches)
    {
        PeftSample sample = new(new JsonObject { ["r"] = 3, ["rank_pattern"] = new JsonObject { [key] = 5 } }.ToJsonString());
        using Adapter adapter = sample.Lora(module, matches ? 5 : 3).Read();
        Assert.Equal(matches ? 5 : 3, Assert.IsType<LowRankDelta>(Assert.Single(adapter.Deltas)).Rank);
        Assert.Equal(!matches, adapter.Issues.Any(issue => issue.Code == "pattern_matches_nothing"));
    }

    [Fact]
    public void The_first_match_in_file_order_wins_and_rank_and_alpha_are_looked_up_apart()
    {
        PeftSample sample = new("""
            { "r": 2, "lora_alpha": 12, "rank_pattern": { "z": 9, "q": 3, ".*q": 4 }, "alpha_pattern": { "k": 5, "layers.0.q": 6, "q": 7 } }
            """);
        using Adapter adapter = sample.Lora("layers.0.q", 3).Lora("layers.1.q", 3).Lora("layers.0.xq", 4).Lora("layers.0.k", 2).Read();

        Assert.Equal(
            [("layers.0.q", 6.0, 2.0), ("layers.1.q", 7.0, 7.0 / 3), ("layers.0.xq", 12.0, 3.0), ("layers.0.k", 5.0, 2.5)],
            adapter.Deltas.Cast<LowRankDelta>().Select(d => (d.Target.Module.Path, d.Alpha, d.Scale)));
        AdapterIssue unused = Assert.Single(adapter.Issues, issue => issue.Code == "pattern_matches_nothing");
        Assert.Contains("'z'", unused.Message);
    }

    [Fact]
    public void A_name_that_is_no_match_of_itself_is_still_its_own_key()
    {
        using Adapter adapter = new PeftSample("""{ "r": 2, "rank_pattern": { "a.q+": 5 } }""").Lora("a.q+", 5).Read();
        Assert.Equal(5, ((LowRankDelta)adapter.Deltas[0]).Rank);
    }

    [Theory]
    [InlineData("(?=a)(a+)+[b]")]
    [InlineData(@"((a+)+)\3b")]
    [InlineData("(?<!x)(a|aa)+[b]")]
    [InlineData("((a{1,100}){1,100}){1,100}[b]")]
    [InlineData("([a-z]+)*[b]")]
    [InlineData("(.*a){20}[b]")]
    public void A_pattern_that_backtracks_for_ever_is_stopped_and_named(string pattern)
    {
        PeftSample sample = new(new JsonObject { ["r"] = 2, ["alpha_pattern"] = new JsonObject { [pattern] = 5 } }.ToJsonString());
        InvalidAdapterException error = sample.Lora(new string('a', 60), 2).Fails<InvalidAdapterException>();
        Assert.Contains(Printable.Text(pattern), error.Message);
        Assert.Contains("alpha_pattern", error.Message);
        Assert.Contains("too long", error.Message);
    }

    [Theory]
    [InlineData("*.q_proj", "invalid")]
    [InlineData("q(", "invalid")]
    [InlineData("[q", "class")]
    [InlineData("a**", "invalid")]
    [InlineData("q\\", "invalid")]
    [InlineData(@"\p{L}", @"'\p'")]
    [InlineData(@"\G", @"'\G'")]
    [InlineData("(?<x>a)", "(?")]
    [InlineData("(?i)q", "(?i")]
    [InlineData("(?x:q)", "(?x")]
    [InlineData("q++", "possessive")]
    [InlineData("q{2}+", "possessive")]
    [InlineData("(a)?(?(1)b|c)", "conditional")]
    [InlineData(@"\7", "group 7")]
    [InlineData(@"\012", "octal")]
    [InlineData(@"\N{DASH}", @"'\N'")]
    [InlineData("(?P<a>x)(?P<a>y)", "twice")]
    [InlineData("(?P=b)", "not known")]
    [InlineData("a{2000}", "2000")]
    [InlineData("a{99999999999}", "99999999999")]
    public void A_pattern_that_Python_or_we_cannot_use_is_refused_by_name(string pattern, string reason)
    {
        PeftSample sample = new(new JsonObject { ["r"] = 2, ["rank_pattern"] = new JsonObject { [pattern] = 5 } }.ToJsonString());
        InvalidAdapterException error = sample.Lora("layers.0.q", 2).Fails<InvalidAdapterException>();
        Assert.Contains("adapter_config.json", error.Message);
        Assert.Contains($"rank_pattern '{Printable.Text(pattern)}'", error.Message);
        Assert.Contains(reason, error.Message);
    }

    [Fact]
    public void Nesting_and_length_of_a_pattern_are_bounded()
    {
        foreach (string pattern in (string[])[new string('(', 5000) + new string(')', 5000), new string('a', 100_000) + '?'])
        {
            PeftSample sample = new(new JsonObject { ["r"] = 2, ["rank_pattern"] = new JsonObject { [pattern] = 5 } }.ToJsonString());
            InvalidAdapterException error = sample.Lora("layers.0.q", 2).Fails<InvalidAdapterException>();
            Assert.True(error.Message.Length < 1000, error.Message);
        }
    }

    [Fact]
    public void Thousands_of_modules_meet_hundreds_of_patterns()
    {
        JsonObject patterns = [];
        for (int i = 0; i < 200; i++) patterns[$@"model\.layers\.{i}\.(self_attn|mlp)\.x_proj"] = JsonValue.Create(4);
        patterns["q_proj"] = JsonValue.Create(6);
        PeftSample sample = new(new JsonObject { ["r"] = 2, ["rank_pattern"] = patterns }.ToJsonString());
        for (int i = 0; i < 2000; i++) sample.Lora($"model.layers.{i}.self_attn.q_proj", 6);
        using Adapter adapter = sample.Read();
        Assert.All(adapter.Deltas, delta => Assert.Equal(6, ((LowRankDelta)delta).Rank));
        Assert.Equal(200, adapter.Issues.Count(issue => issue.Code == "pattern_matches_nothing"));
    }

    /// <summary>Plain keys are compared without a regex; wrapped in a group that means the same, they are not.</summary>
    [Fact]
    public void Plain_keys_decide_as_the_expression_does()
    {
        const string letters = "aab..\n";
        Random random = new(20261);
        int matches = 0;
        for (int i = 0; i < 3000; i++)
        {
            string key = Text(random.Next(1, 4)).Replace("\n", "");
            string module = Text(random.Next(1, 8));
            bool plain = Takes(key);
            Assert.True(plain == Takes($"(?:{key})"), $"key '{key}' module '{module}'");
            matches += plain ? 1 : 0;

            bool Takes(string pattern)
            {
                PeftSample sample = new(new JsonObject { ["alpha_pattern"] = new JsonObject { [pattern] = 5 } }.ToJsonString());
                using Adapter adapter = sample.Lora(module).Read();
                return ((LowRankDelta)adapter.Deltas[0]).Alpha == 5;
            }
        }

        Assert.InRange(matches, 300, 2700);

        string Text(int length) => string.Concat(Enumerable.Range(0, length).Select(_ => letters[random.Next(letters.Length)]));
    }
}
