using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>Kinds that are understood but not read: each is refused by its name, none is read as something else.</summary>
public sealed class PeftRefusalTests
{
    [Theory]
    [InlineData("SUPERTUNING", "super tuning")]
    [InlineData("GLORA", "GLoRA")]
    [InlineData("OSF", "OSF")]
    [InlineData("PSOFT", "PSOFT")]
    [InlineData("DEFT", "DEFT")]
    [InlineData("FROD", "FRoD")]
    [InlineData("ADAMSS", "AdaMSS")]
    [InlineData("PEANUT", "PEANuT")]
    [InlineData("BEFT", "BEFT")]
    [InlineData("POLY", "Poly")]
    [InlineData("XLORA", "X-LoRA")]
    [InlineData("LILY", "Lily")]
    [InlineData("PROMPT_TUNING", "changes no weights")]
    [InlineData("MULTITASK_PROMPT_TUNING", "changes no weights")]
    [InlineData("P_TUNING", "changes no weights")]
    [InlineData("PREFIX_TUNING", "changes no weights")]
    [InlineData("CPT", "changes no weights")]
    [InlineData("CARTRIDGE", "changes no weights")]
    [InlineData("ADAPTION_PROMPT", "changes no weights")]
    [InlineData("lora", "no method that LoraKit knows")]
    [InlineData("NEXT_YEARS", "no method that LoraKit knows")]
    public void Another_method_is_refused_by_name(string type, string name)
    {
        UnsupportedException error = new PeftSample($$"""{ "peft_type": "{{type}}" }""").Tensor("base_model.model.q.thing_w1", 4, 4).Fails<UnsupportedException>();
        Assert.Contains(name, error.Message);
        Assert.Contains(type, error.Message);
    }

    [Theory]
    [InlineData("""{ "use_qalora": true }""", "dequantized base")]
    [InlineData("""{ "alora_invocation_tokens": [1, 2] }""", "activated LoRA")]
    [InlineData("""{ "arrow_config": {"top_k": 3} }""", "Arrow")]
    [InlineData("""{ "init_lora_weights": "pissa_niter_16" }""", "PiSSA by a randomized decomposition")]
    [InlineData("""{ "init_lora_weights": "corda" }""", "covariances")]
    [InlineData("""{ "init_lora_weights": "loftq" }""", "LoftQ")]
    [InlineData("""{ "init_lora_weights": "lora_ga" }""", "gradients")]
    [InlineData("""{ "init_lora_weights": "new_trick" }""", "does not know")]
    public void A_variant_is_refused_by_name(string config, string name)
    {
        UnsupportedException error = new PeftSample(config).Lora("q").Fails<UnsupportedException>();
        Assert.Contains(name, error.Message);
        Assert.Contains("adapter_config.json", error.Message);
    }

    [Theory]
    [InlineData("true")]
    [InlineData("false")]
    [InlineData("null")]
    [InlineData("\"gaussian\"")]
    [InlineData("\"eva\"")]
    [InlineData("\"orthogonal\"")]
    [InlineData("\"mica\"")]
    public void Initializations_that_leave_the_base_alone_are_plain(string value)
    {
        using Adapter adapter = new PeftSample($$"""{ "init_lora_weights": {{value}} }""").Lora("q").Read();
        Assert.Single(adapter.Deltas);
    }

    [Theory]
    [InlineData("use_dora", "false")]
    [InlineData("use_dora", "null")]
    [InlineData("use_bdlora", "null")]
    [InlineData("target_parameters", "[]")]
    [InlineData("layer_replication", "null")]
    [InlineData("enable_lora", "null")]
    [InlineData("alora_invocation_tokens", "null")]
    [InlineData("loftq_config", "{}")]
    [InlineData("velora_config", "{\"x\": 1}")]
    [InlineData("monteclora_config", "{\"x\": 1}")]
    [InlineData("merge_weights", "false")]
    public void Settings_that_say_nothing_are_no_variant(string setting, string value)
    {
        using Adapter adapter = new PeftSample($$"""{ "{{setting}}": {{value}} }""").Lora("q").Read();
        Assert.Single(adapter.Deltas);
    }

    [Theory]
    [InlineData("base_model.model.m.q.lora_E", "AdaLoRA (lora_E)")]
    [InlineData("base_model.model.m.q.hada_w1_a", "LoHa (hada_w1_a)")]
    [InlineData("base_model.model.m.q.lokr_w1", "LoKr (lokr_w1)")]
    [InlineData("base_model.model.m.q.ia3_l", "IA3 (ia3_l)")]
    [InlineData("base_model.model.m.q.oft_R.weight", "OFT (oft_R)")]
    [InlineData("base_model.model.m.q.vera_lambda_b", "VeRA (vera_lambda_b)")]
    public void A_tensor_of_another_kind_is_refused_by_name(string key, string what)
    {
        UnsupportedException error = new PeftSample().Lora("m.a").Lora("m.q").Tensor(key, 8, 4).Fails<UnsupportedException>();
        Assert.Contains($"module 'm.q' uses {what}", error.Message);
        Assert.Equal(key, error.Tensor);
    }

    [Fact]
    public void Shapes_of_other_kinds_are_refused_by_name()
    {
        UnsupportedException grouped = new PeftSample().Tensor("base_model.model.q.lora_A.weight", 8, 16, 3)
            .Tensor("base_model.model.q.lora_B.weight", 24, 4, 1).Fails<UnsupportedException>();
        Assert.Contains("grouped convolution", grouped.Message);
    }
}
