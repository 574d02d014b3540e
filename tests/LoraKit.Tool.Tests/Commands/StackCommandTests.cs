using System.Globalization;
using System.Text.Json;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Tests;

namespace LoraKit.Tool.Tests.Commands;

public sealed class StackCommandTests
{
    private static readonly string[] Common = ["--json", "--quiet", "--no-fsync"];

    [Fact]
    public void The_document_has_its_fields_in_order()
    {
        using TempFolder folder = new();
        string a = TensorFile.WriteAdapter(folder["a"]), b = TensorFile.WriteAdapter(folder["b"], up: -1);
        ToolRun run = ToolRun.Of(["stack", $"{a}@0.5", b, "--out", folder["out"], .. Common]);
        Assert.Equal("", run.Messages);
        Assert.Equal(0, run.Code);
        Assert.Equal(
            [
                "command", "version", "ok", "inputs", "method", "out", "dryRun", "modules", "relativeError", "bytesWritten", "seconds",
                "peakMemoryBytes", "warnings", "error",
            ],
            run.Json.EnumerateObject().Select(p => p.Name));
        Assert.Equal(["path", "weight", "layout", "modules"], run.Json.GetProperty("inputs")[0].EnumerateObject().Select(p => p.Name));
        JsonElement module = Assert.Single(run.Json.GetProperty("modules").EnumerateArray());
        Assert.Equal(["name", "ranks", "rankAfter", "relativeError"], module.EnumerateObject().Select(p => p.Name));
        Assert.Equal("q_proj", module.GetProperty("name").GetString());
        Assert.Equal([2, 2], module.GetProperty("ranks").EnumerateArray().Select(r => r.GetInt32()));
        Assert.Equal(4, module.GetProperty("rankAfter").GetInt32());
        Assert.Equal("cat", run.Json.GetProperty("method").GetString());
        Assert.Equal(
            Directory.EnumerateFiles(folder["out"]).Sum(f => new FileInfo(f).Length), run.Json.GetProperty("bytesWritten").GetInt64());
    }

    [Theory]
    [InlineData("cat", 4)]
    [InlineData("linear", 1)]
    [InlineData("svd --rank 2", 1)]
    [InlineData("ties --density 0.5 --sign frequency --lambda 2 --rank 1", 1)]
    [InlineData("della --density 0.5 --epsilon 0.1 --seed 7 --rank 1", 1)]
    [InlineData("breadcrumbs --density 0.5 --gamma 0.2 --rank 1", 1)]
    [InlineData("dare-linear --density 1 --space core", 1)]
    [InlineData("iso --rank 1.0", 1)]
    public void Options_reach_the_operation(string options, int rank)
    {
        using TempFolder folder = new();
        string a = TensorFile.WriteAdapter(folder["a"]), b = TensorFile.WriteAdapter(folder["b"]);
        ToolRun run = ToolRun.Of(["stack", a, $"{b}@0.5", "--out", folder["out"], "--method", .. options.Split(' '), .. Common]);
        Assert.Equal("", run.Messages);
        Assert.Equal(0, run.Code);
        Assert.Equal(rank, run.Json.GetProperty("modules")[0].GetProperty("rankAfter").GetInt32());
        using Adapter result = AdapterLayouts.Open(folder["out"]);
        Assert.Equal(rank, Assert.IsType<LowRankDelta>(Assert.Single(result.Deltas)).Rank);
    }

    [Theory]
    [InlineData("--method sum", "'sum' is no method of stack")]
    [InlineData("--method ties", "needs a density")]
    [InlineData("--method ties --density 0", "density is 0")]
    [InlineData("--method ties --density 1.01", "density is 1.01")]
    [InlineData("--method ties --density half", "half")]
    [InlineData("--method svd --rank 0", "rank is 0")]
    [InlineData("--method svd --rank 1.5", "energy is 1.5")]
    [InlineData("--method svd --rank many", "--rank: 'many'")]
    [InlineData("--method svd --rank 99999999999", "--rank: '99999999999'")]
    [InlineData("--method svd --rank NaN", "--rank: 'NaN'")]
    [InlineData("--method cat --seed 1", "no use for seed")]
    [InlineData("--sign loud", "--sign: 'loud'")]
    [InlineData("--space outer", "--space: 'outer'")]
    [InlineData("--semantics torch", "--semantics: 'torch'")]
    [InlineData("--semantics peft --method knots", "'knots' is no combination type of PEFT")]
    [InlineData("--dtype int8", "--dtype")]
    public void What_makes_no_sense_stops_in_one_line_and_writes_nothing(string added, string message)
    {
        using TempFolder folder = new();
        string a = TensorFile.WriteAdapter(folder["a"]);
        ToolRun run = ToolRun.Of(["stack", a, a, "--out", folder["out"], .. added.Split(' ')]);
        Assert.Equal(2, run.Code);
        Assert.Equal("", run.Output);
        Assert.Contains(message, Assert.Single(run.Lines));
        Assert.False(Path.Exists(folder["out"]));
    }

    [Fact]
    public void Modules_that_do_not_fit_are_listed()
    {
        using TempFolder folder = new();
        string a = TensorFile.WriteAdapter(folder["a"]);
        TensorFile.Write(folder["b", "adapter_model.safetensors"], new Dictionary<string, (long[], float[])>
        {
            ["base_model.model.q_proj.lora_A.weight"] = ([1, 3], [1, 2, 3]),
            ["base_model.model.q_proj.lora_B.weight"] = ([3, 1], [1, 2, 3]),
        });
        File.WriteAllText(folder["b", "adapter_config.json"], """{"peft_type": "LORA", "r": 1, "lora_alpha": 1}""");
        ToolRun run = ToolRun.Of(["stack", a, folder["b"], "--out", folder["out"], .. Common]);
        Assert.Equal(2, run.Code);
        JsonElement error = run.Json.GetProperty("error");
        Assert.Equal("target_mismatch", error.GetProperty("code").GetString());
        Assert.Contains("[3, 4]", Assert.Single(error.GetProperty("misses").EnumerateArray()).GetString());
    }

    [Fact]
    public void A_dry_run_writes_nothing_and_says_what_would_stop_the_output()
    {
        using TempFolder folder = new();
        string a = TensorFile.WriteAdapter(folder["a"]), b = TensorFile.WriteAdapter(folder["b"]);
        ToolRun plan = ToolRun.Of("stack", a, b, "--out", folder["out"], "--method", "svd", "--dry-run");
        Assert.Equal(0, plan.Code);
        Assert.Contains("svd", plan.Output);
        ToolRun json = ToolRun.Of(["stack", a, b, "--out", folder["out"], "--method", "svd", "--dry-run", .. Common]);
        Assert.True(json.Json.GetProperty("dryRun").GetBoolean());
        Assert.Equal(2, json.Json.GetProperty("modules")[0].GetProperty("rankAfter").GetInt32());
        Assert.False(Path.Exists(folder["out"]));
        ToolRun input = ToolRun.Of(["stack", a, b, "--out", a, "--dry-run", .. Common]);
        Assert.Equal(2, input.Code);
        Assert.Equal("output", input.Json.GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public void Force_replaces_an_adapter_and_nothing_else()
    {
        using TempFolder folder = new();
        string a = TensorFile.WriteAdapter(folder["a"]), old = TensorFile.WriteAdapter(folder["out"], module: "k_proj");
        string[] line = ["stack", $"{a}@0.5", "--out", old, .. Common];
        Assert.Equal(2, ToolRun.Of(line).Code);
        Assert.Equal(0, ToolRun.Of([.. line, "--force"]).Code);
        using (Adapter result = AdapterLayouts.Open(old)) Assert.Equal("q_proj", Assert.Single(result.Deltas).Target.Module.Path);
        File.WriteAllText(folder["out", "diary.txt"], "mine");
        foreach (string[] run in (string[][])[[.. line, "--force"], [.. line, "--force", "--dry-run"]])
        {
            Assert.Contains("diary.txt", ToolRun.Of(run).Json.GetProperty("error").GetProperty("message").GetString());
            Assert.True(File.Exists(folder["out", "diary.txt"]));
        }
    }

    [Fact]
    public void Text_says_what_was_done()
    {
        using TempFolder folder = new();
        string a = TensorFile.WriteAdapter(folder["a"]), b = TensorFile.WriteAdapter(folder["b"], module: "k_proj");
        ToolRun run = ToolRun.Of("stack", a, b, "--out", folder["out"], "--verbose", "--no-fsync");
        Assert.Equal(0, run.Code);
        Assert.Contains("2, 0", run.Output);
        Assert.Contains("0, 2", run.Output);
        Assert.Contains($"stacked into '{folder["out"]}': 2 modules", run.Output);
        Assert.Contains(run.Lines, line => line.StartsWith("warning: ") && line.Contains("no module in common"));
    }

    public static TheoryData<string> PeftCases => [.. Directory.GetDirectories(Paths.Fixture("peft-combine")).Select(f => Path.GetFileName(f))];

    [Fact]
    public void The_cases_of_PEFT_are_there() => Assert.True(PeftCases.Count >= 18);

    // Ranks, scales and names of everything; values of all that is not drawn from torch's generator.
    [Theory]
    [MemberData(nameof(PeftCases))]
    public void Peft_semantics_write_what_PEFT_saved(string name)
    {
        using TempFolder folder = new();
        string root = Paths.Fixture("peft-combine", name);
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(Path.Combine(root, "case.json")));
        string type = json.RootElement.GetProperty("combination_type").GetString()!;
        List<string> line = ["stack", .. json.RootElement.GetProperty("weights").EnumerateArray().Select((w, i) => $"{Path.Combine(root, $"a{i}")}@{w.GetRawText()}")];
        line.AddRange(["--semantics", "peft", "--method", name.Length % 2 == 0 ? type : type.Replace('_', '-'), "--out", folder["out"], .. Common]);
        bool prunes = type is not ("cat" or "linear" or "svd");
        if (prunes) line.AddRange(["--density", json.RootElement.GetProperty("density").GetRawText()]);
        if (type.Contains("ties")) line.AddRange(["--sign", json.RootElement.GetProperty("majority_sign_method").GetString()!]);
        if (json.RootElement.TryGetProperty("svd_rank", out JsonElement rank)) line.AddRange(["--rank", rank.GetInt32().ToString(CultureInfo.InvariantCulture)]);
        ToolRun run = ToolRun.Of([.. line]);
        Assert.Equal("", run.Messages);
        Assert.Equal(0, run.Code);

        using Adapter expected = AdapterLayouts.Open(Path.Combine(root, "expected")), actual = AdapterLayouts.Open(folder["out"]);
        Dictionary<string, LowRankDelta> modules = actual.Deltas.Cast<LowRankDelta>().ToDictionary(d => d.Target.Path);
        Assert.Equal(expected.Deltas.Count, modules.Count);
        foreach (LowRankDelta theirs in expected.Deltas.Cast<LowRankDelta>())
        {
            LowRankDelta ours = modules[theirs.Target.Path];
            Assert.Equal((theirs.Down.Shape, theirs.Up.Shape), (ours.Down.Shape, ours.Up.Shape));
            Assert.Equal(theirs.Scale, ours.Scale, 1e-12);
            if (type.StartsWith("dare", StringComparison.Ordinal)) continue;
            double[] wanted = Update(theirs), got = Update(ours);
            double allowed = 1e-5 * wanted.Max(Math.Abs);
            for (int i = 0; i < wanted.Length; i++) Assert.Equal(wanted[i], got[i], allowed);
        }
    }

    private static double[] Update(LowRankDelta delta)
    {
        double[] up = delta.Up.ToDoubles(), down = delta.Down.ToDoubles();
        int rows = (int)delta.OutFeatures, columns = (int)delta.InFeatures;
        return [.. Oracle.AddProduct(new double[rows * columns], up, down, rows, columns, (int)delta.Rank).Values.Select(v => v * delta.Scale)];
    }
}
