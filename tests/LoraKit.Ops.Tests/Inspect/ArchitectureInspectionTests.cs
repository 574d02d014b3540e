using LoraKit.Formats.Adapters;
using LoraKit.Ops.Inspect;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Inspect;

/// <summary>What inspect says an adapter is of, and what it says where that is not certain.</summary>
public sealed class ArchitectureInspectionTests
{
    private static readonly InspectOptions Plain = new();

    [Fact]
    public void NamesAloneTell()
    {
        AdapterInspection inspection = Kohya("lora_unet_blocks_0_self_attn_q", "lora_unet_blocks_1_ffn_0");
        Assert.Equal("wan", inspection.Architecture);
        Assert.DoesNotContain(inspection.Issues, IsOfArchitecture);
    }

    [Fact]
    public void OthersThatFitAreNamed()
    {
        AdapterInspection inspection = Kohya("lora_unet_single_blocks_37_linear1", "lora_unet_double_blocks_18_img_attn_proj");
        Assert.Equal("flux1", inspection.Architecture);
        AdapterIssue issue = Assert.Single(inspection.Issues, IsOfArchitecture);
        Assert.Equal(("ambiguous_architecture", IssueSeverity.Info, null), (issue.Code, issue.Severity, issue.Where));
        Assert.Contains("chroma", issue.Message);
    }

    [Fact]
    public void WhatIsLeftOverIsListed()
    {
        AdapterInspection inspection = Kohya("lora_unet_double_blocks_0_img_mod_lin", "lora_unet_double_blocks_0_txt_mod_lin", "lora_unet_double_blocks_0_else");
        Assert.Equal("flux1", inspection.Architecture);
        AdapterIssue issue = Assert.Single(inspection.Issues, IsOfArchitecture);
        Assert.Equal(("unknown_modules", IssueSeverity.Warning, "lora_unet_double_blocks_0_else"), (issue.Code, issue.Severity, issue.Where));
        Assert.Contains("1 of its 3 modules", issue.Message);
    }

    [Fact]
    public void MostlyUnknownModulesAreOfNone()
    {
        AdapterInspection inspection = Kohya("lora_unet_double_blocks_0_img_mod_lin", "lora_unet_one", "lora_unet_two");
        Assert.Null(inspection.Architecture);
        Assert.DoesNotContain(inspection.Issues, IsOfArchitecture);
    }

    /// <summary>T5 is the text encoder of many, but without a prefix it is a language model.</summary>
    [Theory]
    [InlineData("encoder.block.0.layer.0.SelfAttention.q")]
    [InlineData("model.layers.0.self_attn.q_proj")]
    public void ALanguageModelIsOfNone(string module)
    {
        using TempFolder folder = new();
        WrittenFile.Create(folder["a", "adapter_model.safetensors"], new Dictionary<string, (long[], float[])>
        {
            [$"base_model.model.{module}.lora_A.weight"] = ([2, 3], [1, 2, 3, 4, 5, 6]),
            [$"base_model.model.{module}.lora_B.weight"] = ([3, 2], [1, 2, 3, 4, 5, 6]),
        });
        File.WriteAllText(folder["a", "adapter_config.json"], """{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "base_model_name_or_path": "b"}""");
        Assert.Null(AdapterInspection.Open(folder["a"], Plain).Architecture);
    }

    private static bool IsOfArchitecture(AdapterIssue issue) => issue.Code is "ambiguous_architecture" or "unknown_modules";

    private static AdapterInspection Kohya(params string[] modules)
    {
        using TempFolder folder = new();
        Dictionary<string, (long[], float[])> tensors = [];
        foreach (string module in modules)
        {
            tensors.Add(module + ".lora_down.weight", ([2, 3], [1, 2, 3, 4, 5, 6]));
            tensors.Add(module + ".lora_up.weight", ([3, 2], [1, 2, 3, 4, 5, 6]));
            tensors.Add(module + ".alpha", ([], [1]));
        }

        WrittenFile.Create(folder["a.safetensors"], tensors);
        return AdapterInspection.Open(folder["a.safetensors"], Plain);
    }
}
