using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Containers;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Inspect;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Inspect;

public sealed class InspectionTests
{
    private static readonly InspectOptions Plain = new();

    [Fact]
    public void RanksAreCounted()
    {
        AdapterInspection inspection = AdapterInspection.Open(Paths.Fixture("peft", "lora-patterns", "adapter"), Plain);
        Assert.Equal(inspection.Modules.Count, inspection.Ranks.Values.Sum());
        Assert.True(inspection.Ranks.Count > 1);
        Assert.All(inspection.Ranks, r => Assert.Equal(r.Value, inspection.Modules.Count(m => m.Rank == r.Key)));
        Assert.Equal(inspection.Ranks.Keys.Order(), inspection.Ranks.Keys);
    }

    [Fact]
    public void AConvolutionKeepsItsKernel()
    {
        AdapterInspection inspection = AdapterInspection.Open(Paths.Fixture("peft", "lora-conv", "adapter"), Plain);
        Assert.Contains(inspection.Modules, m => m.Shape.Rank > 2);
        Assert.All(inspection.Modules, m => Assert.Equal(m.Shape.AsMatrix(), (m.OutFeatures!.Value, m.InFeatures!.Value)));
    }

    [Fact]
    public void AZeroFactorIsAnIssue()
    {
        using TempFolder folder = new();
        string adapter = WrittenFile.CreateAdapter(folder["a"], float.NegativeZero, 0, 0, 0, 0, float.NegativeZero);
        AdapterIssue issue = Assert.Single(AdapterInspection.Open(adapter, Plain).Issues);
        Assert.Equal(("zero_factor", IssueSeverity.Warning, "two"), (issue.Code, issue.Severity, issue.Where));
    }

    [Fact]
    public void TheSmallestNumberIsNotZero()
    {
        using TempFolder folder = new();
        Assert.Empty(AdapterInspection.Open(WrittenFile.CreateAdapter(folder["a"], 0, 0, 0, 0, 0, float.Epsilon), Plain).Issues);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.NegativeInfinity)]
    public void NonFiniteIsAnIssue(float value)
    {
        using TempFolder folder = new();
        AdapterIssue issue = Assert.Single(AdapterInspection.Open(WrittenFile.CreateAdapter(folder["a"], 1, 1, value, 1, 1, value), Plain).Issues);
        Assert.Equal(("non_finite", "base_model.model.two.lora_B.weight"), (issue.Code, issue.Where));
        Assert.Contains("2 of its values", issue.Message);
    }

    [Fact]
    public void ManyZeroBytesBeforeTheFirstNumber()
    {
        using TempFolder folder = new();
        float[] up = new float[70_000];
        up[^1] = 1;
        WrittenFile.Create(folder["a", "adapter_model.safetensors"], new Dictionary<string, (long[], float[])>
        {
            ["base_model.model.big.lora_A.weight"] = ([2, 1], [1, 1]),
            ["base_model.model.big.lora_B.weight"] = ([35_000, 2], up),
        });
        File.WriteAllText(folder["a", "adapter_config.json"], """{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "base_model_name_or_path": "b"}""");
        Assert.Empty(AdapterInspection.Open(folder["a"], Plain).Issues);
    }

    [Fact]
    public void ACheckpointIsShownByItsTensors()
    {
        AdapterInspection inspection = AdapterInspection.Open(Paths.Fixture("peft", "lora-linear-f32", "base"), Plain);
        Assert.Null(inspection.Layout);
        Assert.Empty(inspection.Modules);
        Assert.Equal(31, inspection.Extras.Count);
        Assert.Equal(18_888, inspection.ParameterCount);
        Assert.Empty(inspection.Issues);
    }

    [Fact]
    public void AnUnreadLayoutIsShownByItsTensors()
    {
        using TempFolder folder = new();
        string file = WrittenFile.Create(folder["k.safetensors"], new Dictionary<string, (long[], float[])>
        {
            ["lora_controlnet"] = ([1], [0]),
            ["input_blocks.1.0.in_layers.2.down"] = ([2, 1], [1, 2]),
        }, new Dictionary<string, string> { ["ss_base_model_version"] = "sdxl_base_v1-0", ["ss_sd_model_name"] = "None" });
        AdapterInspection inspection = AdapterInspection.Open(file, Plain);
        Assert.Equal("unread_layout", Assert.Single(inspection.Issues).Code);
        Assert.Equal(2, inspection.Extras.Count);
        Assert.Equal("sdxl_base_v1-0", inspection.Family);
        Assert.Null(inspection.BaseModel);
    }

    /// <summary>Factors of a weight and its bias are one module's, and what modules share is there once.</summary>
    [Theory]
    [InlineData("ia3")]
    [InlineData("vera")]
    public void ModulesAndParametersAreCountedOnce(string kind)
    {
        string adapter = Paths.Fixture("peft-kinds", kind, "adapter");
        AdapterInspection inspection = AdapterInspection.Open(adapter, Plain);
        using ITensorSource file = TensorFiles.Open(Path.Combine(adapter, "adapter_model.safetensors"));
        Assert.Equal(file.Tensors.Sum(tensor => tensor.Shape.ElementCount), inspection.ParameterCount);
        Assert.Equal(inspection.Modules.Select(module => module.Name.Replace(".bias", "")).Distinct().Count(), inspection.ModuleCount);
    }

    [Fact]
    public void AKohyaFileIsShownByItsModules()
    {
        AdapterInspection inspection = AdapterInspection.Open(Paths.Fixture("kohya", "lycoris-locon-tucker", "adapter.safetensors"), Plain);
        Assert.Equal(("lycoris", "F32", 8), (inspection.Layout, inspection.DType, inspection.Modules.Count));
        InspectedModule convolution = inspection.Modules.Single(module => module.Name == "lycoris_resnets_0_conv1");
        Assert.Equal((2L, new TensorShape(20, 16, 3, 3)), (convolution.Rank, convolution.Shape));
        // Its attentions are named as Wan's, its convolutions as nothing's.
        Assert.Equal("unknown_modules", Assert.Single(inspection.Issues).Code);
    }

    [Fact]
    public void NothingThere() => Assert.Throws<InputNotFoundException>(() => AdapterInspection.Open("/no/such/path", Plain));

    [Fact]
    public void HashingAShardedCheckpointIsRefused()
    {
        using TempFolder folder = new();
        WrittenFile.Create(folder["model-00001-of-00002.safetensors"], new Dictionary<string, (long[], float[])> { ["a"] = ([1], [1]) });
        WrittenFile.Create(folder["model-00002-of-00002.safetensors"], new Dictionary<string, (long[], float[])> { ["b"] = ([1], [1]) });
        File.WriteAllText(folder["model.safetensors.index.json"],
            """{"metadata": {}, "weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}""");
        Assert.Equal(2, AdapterInspection.Open(folder.Path, Plain).Extras.Count);
        Assert.Throws<InvalidOptionException>(() => AdapterInspection.Open(folder.Path, new InspectOptions { Hashes = true }));
    }
}
