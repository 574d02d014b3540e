using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Conversion;
using LoraKit.Ops.Tests.Adapters;
using LoraKit.Ops.Tests.Compute;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Conversion;

/// <summary>Every kind of adapter that is read, as plain LoRA: merged, it is what the adapter itself is when it is merged.</summary>
public class KindConversionTests
{
    private static readonly ILookup<bool, string> ByExperts = KindConformanceTests.Names().ToLookup(HasExperts);

    public static IEnumerable<TheoryDataRow<string>> Names() => ByExperts[false].Select(name => new TheoryDataRow<string>(name));

    public static IEnumerable<TheoryDataRow<string, string>> Cases() =>
        ByExperts[false].SelectMany(_ => ComputeBackends.Names, (name, backend) => new TheoryDataRow<string, string>(name, backend));

    public static IEnumerable<TheoryDataRow<string>> Experts() => ByExperts[true].Select(name => new TheoryDataRow<string>(name));

    [Theory]
    [MemberData(nameof(Cases))]
    public void MergesAsTheKindItself(string name, string backend)
    {
        using TempFolder temp = new();
        using ICompute compute = ComputeBackends.Create(backend);
        (string @base, string adapter, _) = KindConformanceTests.Files(name);
        ConvertReport report = Converting.Run(Converting.Options(adapter, temp["lora"]) with { Base = @base, MaxError = 1e-7 }, compute);
        Assert.All(report.Modules, m => Assert.True(m.RelativeError is null or < 1e-6, $"{m.Name}: {m.RelativeError}"));
        Conformance.AssertSame(Converting.Merged(temp, @base, adapter), Converting.Merged(temp, @base, temp["lora"]));
        AssertPlain(temp["lora"]);
    }

    /// <summary>What makes the kind is gone from the configuration, or the result would be read as that kind again.</summary>
    [Theory]
    [InlineData("kasa_config", "{}")]
    [InlineData("init_lora_weights", "\"pissa\"")]
    [InlineData("init_lora_weights", "\"olora\"")]
    public void AResidualBecomesPlainLora(string setting, string value)
    {
        using TempFolder temp = new();
        Random random = new(3);
        SafetensorsBytes.Write(temp["base", "model.safetensors"], Merging.Random("q.weight", DType.F32, random, 12, 9));
        PeftFolder adapter = new(temp["adapter"], 2, 3);
        adapter.Config[setting] = System.Text.Json.Nodes.JsonNode.Parse(value);
        adapter.Linear("q", 12, 9, random);
        if (setting == "kasa_config") adapter.Add("base_model.model.q.lora_diag", DType.F32, [2], [0.5, -1.5]);
        string path = adapter.Save();
        Converting.Run(Converting.Options(path, temp["lora"]) with { Base = temp["base"], MaxError = 1e-7 });
        Conformance.AssertSame(Converting.Merged(temp, temp["base"], path), Converting.Merged(temp, temp["base"], temp["lora"]));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void WithoutBaseOrBoundItIsExactOrSaysWhatItLacks(string name)
    {
        using TempFolder temp = new();
        (string @base, string adapter, _) = KindConformanceTests.Files(name);
        ConvertReport report;
        try
        {
            report = Converting.Run(Converting.Options(adapter, temp["lora"]));
        }
        catch (LoraKitException lacking)
        {
            Assert.True(lacking is InvalidOptionException or UnsupportedException, lacking.ToString());
            Assert.Matches(lacking is InvalidOptionException ? "--rank, --energy or --max-error" : "--base", lacking.Message);
            Assert.False(Path.Exists(temp["lora"]));
            return;
        }

        Assert.All(report.Modules, m => Assert.True(m.RelativeError is null or < 1e-6, $"{m.Name}: {m.RelativeError}"));
        Conformance.AssertSame(Converting.Merged(temp, @base, adapter), Converting.Merged(temp, @base, temp["lora"]));
        // What PEFT has itself stays as it is, unless a bound asks for plain LoRA.
        string[] own = ["peft-kinds/loha", "peft-kinds/lokr", "peft-kinds/lora-conv-dora", "peft-kinds/lora-dora", "peft-kinds/lora-gpt2-dora"];
        if (!own.Any(kind => name.StartsWith(kind, StringComparison.Ordinal)))
        {
            AssertPlain(temp["lora"]);
            return;
        }

        Assert.All(report.Modules, m => Assert.Equal(ConvertedForm.Kept, m.Form));
        Assert.Equal(File.ReadAllText(Path.Combine(adapter, "adapter_config.json")), File.ReadAllText(temp["lora", "adapter_config.json"]));
        var (before, after) = (SafetensorsBytes.Read(Path.Combine(adapter, "adapter_model.safetensors")), SafetensorsBytes.Read(temp["lora", "adapter_model.safetensors"]));
        Assert.Equal(before.Keys.Order(StringComparer.Ordinal), after.Keys.Order(StringComparer.Ordinal));
        Assert.All(before, tensor => Assert.Equal((tensor.Value.DType, tensor.Value.Shape), (after[tensor.Key].DType, after[tensor.Key].Shape)));
        Assert.All(before, tensor => Assert.Equal(tensor.Value.Values, after[tensor.Key].Values));
    }

    /// <summary>The error that is reported is the one that the merges have, and no product of the rank has a smaller one (Eckart and Young).</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void TheErrorOfALowerRankIsTheTrueOneAndTheLeast(string name)
    {
        using TempFolder temp = new();
        (string @base, string adapter, _) = KindConformanceTests.Files(name);
        ConvertReport report = Converting.Run(Converting.Options(adapter, temp["lora"]) with { Base = @base, Rank = 2 });
        var before = SafetensorsBytes.Read(@base);
        var wanted = Converting.Merged(temp, @base, adapter);
        var got = Converting.Merged(temp, @base, temp["lora"]);
        foreach (ConvertedModule module in report.Modules.Where(m => m.Form is ConvertedForm.Truncated))
        {
            string tensor = Assert.Single(wanted.Keys, k => k == $"{module.Name}.weight" || k.EndsWith($".{module.Name}.weight", StringComparison.Ordinal));
            if (wanted[tensor].DType != DType.F32) continue;
            Assert.True(module.Rank <= 2);
            double[] update = Difference(wanted[tensor].Values, before[tensor].Values);
            double norm = DeltaOracle.Norm(update), weight = DeltaOracle.Norm(wanted[tensor].Values);
            double error = DeltaOracle.Distance(wanted[tensor].Values, got[tensor].Values) / norm;
            double[] singular = DeltaOracle.SingularValues(update, (int)wanted[tensor].Shape[0]);
            double least = DeltaOracle.Norm(singular.Skip((int)module.Rank!)) / norm;
            // Both merges are stored as F32.
            double rounding = 1e-6 + (weight * 3e-7 / norm);
            Assert.Equal(error, module.RelativeError!.Value, rounding);
            Assert.Equal(least, module.RelativeError.Value, rounding);
            Assert.Equal(1, module.LargestSingularValue!.Value / singular[0], 1e-4);
        }
    }

    [Theory]
    [MemberData(nameof(Experts))]
    public void StacksOfExpertsAreRefusedByName(string name)
    {
        using TempFolder temp = new();
        (string @base, string adapter, _) = KindConformanceTests.Files(name);
        UnsupportedException refused = Assert.Throws<UnsupportedException>(() => Converting.Run(Converting.Options(adapter, temp["lora"]) with { Base = @base, Rank = 2 }));
        Assert.Contains("'layers.0.mlp.experts.gate_up_proj' is LoRA on a stack of expert weights (target_parameters)", refused.Message);
        Assert.False(Path.Exists(temp["lora"]));
    }

    private static bool HasExperts(string name)
    {
        using Adapter adapter = AdapterLayouts.Open(KindConformanceTests.Files(name).Adapter);
        return adapter.Deltas.Any(d => d is ExpertsDelta);
    }

    private static void AssertPlain(string path)
    {
        using Adapter adapter = AdapterLayouts.Open(path);
        Assert.All(adapter.Deltas, d => Assert.True(d is LowRankDelta or DenseDelta, d.Kind));
        Assert.DoesNotContain(adapter.Issues, i => i.Severity == IssueSeverity.Warning);
        Assert.Equal("LORA", (string?)adapter.Config!.Json["peft_type"]);
        Assert.NotEqual(true, (bool?)adapter.Config.Json["use_dora"]);
    }

    private static double[] Difference(double[] x, double[] y) => [.. x.Zip(y, (a, b) => a - b)];
}
