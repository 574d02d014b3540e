using LoraKit.Tests;

namespace LoraKit.Tool.Tests.Options;

/// <summary>What the user says of adapters whose files leave it open reaches every command that reads them with weights.</summary>
public sealed class ReadingOptionsTests
{
    private static readonly string[] Common = ["--json", "--quiet", "--no-fsync"];

    [Fact]
    public void The_norm_of_DoRA_is_merged_and_verified_as_asked()
    {
        using TempFolder folder = new();
        string adapter = Adapter(folder["a"], "q", 3, """{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "use_dora": true}""");
        string @base = folder["base", "model.safetensors"];
        TensorFile.Write(@base, new Dictionary<string, (long[], float[])> { ["q.weight"] = ([3, 4], [1, 2, -3, 4, 2, -2, 1, 1, 0, 5, 1, -1]) });
        string[] merge = ["merge", "--base", @base, "--adapter", adapter, .. Common], verify = ["verify", "--base", @base, "--adapter", adapter, "--json", "--quiet"];
        Assert.Equal(0, ToolRun.Of([.. merge, "--out", folder["plain.safetensors"]]).Code);
        Assert.Equal(0, ToolRun.Of([.. merge, "--out", folder["updated.safetensors"], "--dora-norm", "updated"]).Code);
        Assert.Equal(0, ToolRun.Of([.. merge, "--out", folder["base.safetensors"], "--dora-norm", "base", "--undo", folder["undo"]]).Code);
        Assert.Equal(File.ReadAllBytes(folder["plain.safetensors"]), File.ReadAllBytes(folder["updated.safetensors"]));
        Assert.NotEqual(File.ReadAllBytes(folder["plain.safetensors"]), File.ReadAllBytes(folder["base.safetensors"]));
        Assert.Equal(0, ToolRun.Of([.. verify, folder["base.safetensors"], "--dora-norm", "base"]).Code);
        Assert.Equal(1, ToolRun.Of([.. verify, folder["base.safetensors"]]).Code);
        Assert.Equal(0, ToolRun.Of(["unmerge", "--merged", folder["base.safetensors"], "--undo", folder["undo"], "--out", folder["back.safetensors"], .. Common]).Code);
        Assert.Equal(SafetensorsBytes.Read(@base)["q.weight"].Values, SafetensorsBytes.Read(folder["back.safetensors"])["q.weight"].Values);
    }

    [Fact]
    public void The_updates_of_attention_outputs_are_taken_back_as_often_as_they_were_added()
    {
        using TempFolder folder = new();
        string adapter = Adapter(folder["a"], "m.attn", 12, """{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "peft_version": "0.20.0"}""", "m.attn.base_layer.out_proj");
        string @base = folder["base", "model.safetensors"];
        TensorFile.Write(@base, new Dictionary<string, (long[], float[])> { ["m.attn.in_proj_weight"] = ([12, 4], new float[48]), ["m.attn.out_proj.weight"] = ([4, 4], new float[16]) });
        Assert.Equal(0, ToolRun.Of(["merge", "--base", @base, "--adapter", adapter, "--out", folder["once.safetensors"], "--mha-out", "once", .. Common]).Code);
        ToolRun run = ToolRun.Of(["merge", "--base", @base, "--adapter", adapter, "--out", folder["twice.safetensors"], .. Common]);
        Assert.Contains("--mha-out", run.Json.GetProperty("warnings").ToString(), StringComparison.Ordinal);
        double[] once = SafetensorsBytes.Read(folder["once.safetensors"])["m.attn.out_proj.weight"].Values;
        Assert.Equal(once.Select(x => 2 * x), SafetensorsBytes.Read(folder["twice.safetensors"])["m.attn.out_proj.weight"].Values);
        Assert.Equal(0, ToolRun.Of(["unmerge", "--merged", folder["once.safetensors"], "--adapter", adapter, "--mha-out", "once", "--out", folder["back.safetensors"], .. Common]).Code);
        Assert.All(SafetensorsBytes.Read(folder["back.safetensors"])["m.attn.out_proj.weight"].Values, x => Assert.Equal(0, x));
    }

    [Fact]
    public void LoHa_is_scaled_as_asked_where_it_is_shown_merged_and_converted()
    {
        using TempFolder folder = new();
        // ΔW is s everywhere: 1/2, or 1/4 as LyCORIS merges.
        string adapter = folder["a.safetensors"], @base = folder["base", "model.safetensors"];
        TensorFile.Write(adapter, new Dictionary<string, (long[], float[])>
        {
            ["lycoris_q.alpha"] = ([], [0.5f]),
            ["lycoris_q.hada_w1_a"] = ([3, 1], [1, 1, 1]),
            ["lycoris_q.hada_w1_b"] = ([1, 4], [1, 1, 1, 1]),
            ["lycoris_q.hada_w2_a"] = ([3, 1], [1, 1, 1]),
            ["lycoris_q.hada_w2_b"] = ([1, 4], [1, 1, 1, 1]),
        });
        TensorFile.Write(@base, new Dictionary<string, (long[], float[])> { ["q.weight"] = ([3, 4], new float[12]) });
        foreach ((string[] said, double scale) in (ReadOnlySpan<(string[], double)>)[([], 0.25), (["--lycoris-scale", "twice"], 0.25), (["--lycoris-scale", "once"], 0.5)])
        {
            string lora = folder[$"lora{string.Concat(said)}"], merged = folder[$"merged{string.Concat(said)}.safetensors"], again = folder[$"again{string.Concat(said)}.safetensors"];
            Assert.Equal(scale, ToolRun.Of(["inspect", adapter, "--json", .. said]).Json.GetProperty("modules")[0].GetProperty("scale").GetDouble());
            Assert.Equal(0, ToolRun.Of(["merge", "--base", @base, "--adapter", adapter, "--out", merged, .. Common, .. said]).Code);
            Assert.All(SafetensorsBytes.Read(merged)["q.weight"].Values, x => Assert.Equal(scale, x));
            Assert.Equal(0, ToolRun.Of(["convert", adapter, "--to", "peft", "--base", @base, "--out", lora, .. Common, .. said]).Code);
            Assert.Equal(0, ToolRun.Of(["merge", "--base", @base, "--adapter", lora, "--out", again, .. Common]).Code);
            Assert.All(SafetensorsBytes.Read(again)["q.weight"].Values, x => Assert.Equal(scale, x));
        }
    }

    [Fact]
    public void Updates_are_compared_as_they_are_read()
    {
        using TempFolder folder = new();
        string[] adapters = [.. new[] { "0.20.0", "0.22.0" }.Select(version =>
            Adapter(folder[version], "m.attn", 12, $$"""{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "peft_version": "{{version}}"}""", "m.attn.base_layer.out_proj"))];
        Assert.Equal(1, ToolRun.Of(["diff", .. adapters, "--json"]).Code);
        Assert.Equal(0, ToolRun.Of(["diff", .. adapters, "--json", "--mha-out", "once"]).Code);
    }

    [Theory]
    [InlineData("--lycoris-scale", "half", "--lycoris-scale: 'half' is no number of times; expected once or twice")]
    [InlineData("--dora-norm", "old", "--dora-norm: 'old' is no norm of DoRA; expected updated or base")]
    [InlineData("--mha-out", "thrice", "--mha-out: 'thrice' is no number of times; expected once or twice")]
    public void Other_words_are_refused(string option, string word, string message)
    {
        using TempFolder folder = new();
        string adapter = TensorFile.WriteAdapter(folder["a"]);
        foreach (string[] line in (string[][])[["stack", adapter, "--out", folder["o"]], ["verify", adapter], ["merge", "--base", "b", "--adapter", adapter, "--out", folder["o"]], ["unmerge", "--merged", "m", "--out", folder["o"]],
            ["convert", adapter, "--to", "peft", "--out", folder["o"]], ["inspect", adapter], ["diff", adapter, adapter]])
        {
            ToolRun run = ToolRun.Of([.. line, option, word, "--json"]);
            Assert.Equal(2, run.Code);
            Assert.Contains(message, run.Json.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
        }
    }

    private static string Adapter(string folder, string module, int outputs, string config, string? second = null)
    {
        Dictionary<string, (long[], float[])> tensors = new()
        {
            [$"base_model.model.{module}.lora_A.weight"] = ([2, 4], [1, 2, 3, 4, 5, 6, 7, 8]),
            [$"base_model.model.{module}.lora_B.weight"] = ([outputs, 2], [.. Enumerable.Range(1, outputs * 2).Select(i => (float)i)]),
        };
        if (second is not null)
        {
            tensors[$"base_model.model.{second}.lora_A.weight"] = ([2, 4], [1, 2, 3, 4, 5, 6, 7, 8]);
            tensors[$"base_model.model.{second}.lora_B.weight"] = ([4, 2], [1, 2, 3, 4, 5, 6, 7, 8]);
        }
        else
        {
            tensors[$"base_model.model.{module}.lora_magnitude_vector"] = ([outputs], [.. Enumerable.Range(1, outputs).Select(i => i * 0.5f)]);
        }

        TensorFile.Write(Path.Combine(folder, "adapter_model.safetensors"), tensors);
        File.WriteAllText(Path.Combine(folder, "adapter_config.json"), config);
        return folder;
    }
}
