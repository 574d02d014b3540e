using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>Kinds that are understood but not read: each is refused by its name, none is read as something else.</summary>
public sealed class PeftRefusalTests
{
    [Theory]
    [InlineData("VERA", "VeRA")]
    [InlineData("PVERA", "PVeRA")]
    [InlineData("RANDLORA", "RandLoRA")]
    [InlineData("FOURIERFT", "FourierFT")]
    [InlineData("WAVEFT", "WaveFT")]
    [InlineData("UNILORA", "UniLoRA")]
    [InlineData("MISS", "MiSS")]
    [InlineData("BONE", "Bone")]
    [InlineData("SHIRA", "SHiRA")]
    [InlineData("SUPERTUNING", "super tuning")]
    [InlineData("C3A", "C3A")]
    [InlineData("GLORA", "GLoRA")]
    [InlineData("OSF", "OSF")]
    [InlineData("TINYLORA", "TinyLoRA")]
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
    [InlineData("""{ "use_dora": true }""", "DoRA")]
    [InlineData("""{ "target_parameters": ["mlp.experts.gate_up_proj"] }""", "parameters instead of modules")]
    [InlineData("""{ "kasa_config": {"beta": 1} }""", "KaSA")]
    [InlineData("""{ "use_bdlora": {"nblocks": 2} }""", "BD-LoRA")]
    [InlineData("""{ "use_bdlora": true }""", "BD-LoRA")]
    [InlineData("""{ "use_qalora": true }""", "QALoRA")]
    [InlineData("""{ "alora_invocation_tokens": [1, 2] }""", "activated LoRA")]
    [InlineData("""{ "arrow_config": {"top_k": 3} }""", "Arrow")]
    [InlineData("""{ "layer_replication": [[0, 4], [2, 5]] }""", "repeated layers")]
    [InlineData("""{ "init_lora_weights": "pissa" }""", "PiSSA")]
    [InlineData("""{ "init_lora_weights": "pissa_niter_16" }""", "PiSSA")]
    [InlineData("""{ "init_lora_weights": "olora" }""", "OLoRA")]
    [InlineData("""{ "init_lora_weights": "OLoRA" }""", "OLoRA")]
    [InlineData("""{ "init_lora_weights": "corda" }""", "CorDA")]
    [InlineData("""{ "init_lora_weights": "loftq" }""", "LoftQ")]
    [InlineData("""{ "init_lora_weights": "lora_ga" }""", "LoRA-GA")]
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
    [InlineData("base_model.model.m.q.lora_magnitude_vector", "DoRA (lora_magnitude_vector)")]
    [InlineData("base_model.model.m.q.lora_magnitude_vector.weight", "DoRA (lora_magnitude_vector)")]
    [InlineData("base_model.model.m.q.lora_magnitude_vector.default.weight", "DoRA (lora_magnitude_vector)")]
    [InlineData("base_model.model.m.q.lora_diag", "KaSA (lora_diag)")]
    [InlineData("base_model.model.m.q.lora_E", "AdaLoRA (lora_E)")]
    [InlineData("base_model.model.m.q.hada_w1_a", "LoHa (hada_w1_a)")]
    [InlineData("base_model.model.m.q.lokr_w1", "LoKr (lokr_w1)")]
    [InlineData("base_model.model.m.q.ia3_l", "IA3 (ia3_l)")]
    [InlineData("base_model.model.m.q.oft_R.weight", "OFT (oft_R)")]
    [InlineData("base_model.model.m.q.vera_lambda_b", "VeRA (vera_lambda_b)")]
    [InlineData("base_model.model.m.q.base_layer.lora_A.weight", "target_parameters")]
    [InlineData("base_model.model.m.q.base_layer.base_layer.lora_A.weight", "target_parameters")]
    [InlineData("base_model.model.m.q.base_layer.out_proj.lora_A.weight", "LoRA on nn.MultiheadAttention")]
    [InlineData("base_model.model.m.q.base_layer.k.lora_B.weight", "adapters inside each other")]
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
