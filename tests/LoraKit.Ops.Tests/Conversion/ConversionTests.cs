using System.Text.Json.Nodes;
using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Conversion;
using LoraKit.Ops.Tests.Adapters;
using LoraKit.Ops.Tests.Merge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Conversion;

/// <summary>Ranks, errors and what is written, against naive decompositions.</summary>
public class ConversionTests
{
    private const string One = "layers.0.one", Two = "layers.1.two";

    [Theory]
    [InlineData(null, null, 0.02)]
    [InlineData(null, 0.97, null)]
    [InlineData(3, null, null)]
    [InlineData(1000, null, null)]
    public void ABoundIsKeptWithTheLowestRank(int? rank, double? energy, double? maxError)
    {
        using TempFolder folder = new();
        Dictionary<string, double[]> updates = Converting.WriteLoha(folder["loha"], 6, 4, (One, 37, 53), (Two, 20, 11));
        ConvertReport report = Converting.Run(Converting.Options(folder["loha"], folder["lora"]) with { Rank = rank, Energy = energy, MaxError = maxError });
        Dictionary<string, double[]> written = DeltaOracle.Updates(folder["lora"]);
        foreach ((string module, double[] update) in updates)
        {
            ConvertedModule converted = Assert.Single(report.Modules, m => m.Name == module);
            double norm = DeltaOracle.Norm(update), error = DeltaOracle.Distance(update, written[module]) / norm;
            Assert.Equal(error, converted.RelativeError!.Value, 1e-9);
            double[] singular = DeltaOracle.SingularValues(update, module == One ? 37 : 20);
            int full = singular.Count(s => s > 1e-13 * singular[0]);
            double Least(int k) => DeltaOracle.Norm(singular.Skip(k)) / norm;
            double bound = maxError ?? (energy is { } share ? Math.Sqrt(1 - share) : 0);
            int lowest = rank is { } most ? Math.Min(most, full) : Enumerable.Range(1, full).First(k => Least(k) <= bound);
            Assert.Equal(lowest, converted.Rank);
            Assert.Equal(Least(lowest), converted.RelativeError.Value, 1e-6);
        }
    }

    [Theory]
    [InlineData(FactorType.BF16, 0.01)]
    [InlineData(FactorType.F16, 0.001)]
    public void RoundingOfTheFactorsIsPartOfTheError(FactorType type, double most)
    {
        using TempFolder folder = new();
        Dictionary<string, double[]> updates = Converting.WriteLoha(folder["loha"], 6, 3, (One, 37, 53));
        ConvertOptions options = Converting.Options(folder["loha"], folder["lora"]) with { Output = new(folder["lora"]) { ElementType = type }, MaxError = 0 };
        ConvertReport report = Converting.Run(options);
        double error = DeltaOracle.Distance(updates[One], DeltaOracle.Updates(folder["lora"])[One]) / DeltaOracle.Norm(updates[One]);
        Assert.InRange(error, most / 100, most);
        Assert.Equal(error, Assert.Single(report.Modules).RelativeError!.Value, 1e-9);
        Assert.Single(report.Warnings, warning => warning.Contains("beyond the bound"));
    }

    [Fact]
    public void TheConfigurationIsPlainLoras()
    {
        using TempFolder folder = new();
        Converting.WriteLoha(folder["loha"], 6, 4, (One, 37, 53), (Two, 20, 11));
        Converting.Run(Converting.Options(folder["loha"], folder["lora"]) with { Rank = 12 });
        JsonObject config = JsonNode.Parse(File.ReadAllText(folder["lora", "adapter_config.json"]))!.AsObject();
        Assert.Equal("LORA", (string?)config["peft_type"]);
        Assert.Equal("some/model", (string?)config["base_model_name_or_path"]);
        Assert.Equal([One, Two], config["target_modules"]!.AsArray().Select(n => (string?)n));
        Assert.False(config.ContainsKey("alpha"));
        Assert.False(config.ContainsKey("rank_dropout"));
        // 12 and 11, each with its own scale 1.
        Assert.Equal(23, (int)config["r"]! + (int)Assert.Single(config["rank_pattern"]!.AsObject()).Value!);
        Assert.Equal(DeltaOracle.Facts(folder["lora"], d => d.Scale).Values, [1, 1]);
    }

    [Fact]
    public void PlainLoraStaysAsItIsToTheByte()
    {
        using TempFolder folder = new();
        string adapter = MixedAdapter.Write(folder["a"], DType.BF16);
        ConvertReport report = Converting.Run(Converting.Options(adapter, folder["b"]) with { Rank = 1 });
        Assert.All(report.Modules, m => Assert.True(m.Form is ConvertedForm.Kept or ConvertedForm.Bias));
        Assert.Equal(SafetensorsBytes.Read(folder["a", "adapter_model.safetensors"]).OrderBy(t => t.Key).Select(t => (t.Key, t.Value.DType, t.Value.Shape)),
            SafetensorsBytes.Read(folder["b", "adapter_model.safetensors"]).OrderBy(t => t.Key).Select(t => (t.Key, t.Value.DType, t.Value.Shape)));
        Assert.Equal(DeltaOracle.Updates(folder["a"]).OrderBy(u => u.Key), DeltaOracle.Updates(folder["b"]).OrderBy(u => u.Key));
    }

    [Fact]
    public void AnUpdateOfZeroStaysAModule()
    {
        using TempFolder folder = new();
        PeftFolder loha = new(folder["loha"], 2, 2);
        loha.Config["peft_type"] = "LOHA";
        loha.Config["alpha"] = 2;
        foreach (string factor in (string[])["hada_w1_a", "hada_w2_a"]) loha.Add($"base_model.model.{One}.{factor}", DType.F32, [5, 2], new double[10]);
        foreach (string factor in (string[])["hada_w1_b", "hada_w2_b"]) loha.Add($"base_model.model.{One}.{factor}", DType.F32, [2, 7], new double[14]);
        ConvertReport report = Converting.Run(Converting.Options(loha.Save(), folder["lora"]) with { MaxError = 0.1 });
        ConvertedModule module = Assert.Single(report.Modules);
        Assert.Equal(0, module.RelativeError);
        Assert.Equal(0, report.RelativeError);
        Assert.All(DeltaOracle.Updates(folder["lora"])[One], v => Assert.Equal(0, v));
    }

    [Fact]
    public void TheResultDoesNotDependOnThreadsOrMemory()
    {
        using TempFolder folder = new();
        Converting.WriteLoha(folder["loha"], 6, 4, (One, 137, 253), (Two, 120, 11));
        ConvertOptions options = Converting.Options(folder["loha"], folder["x"]) with { Rank = 5, Threads = 1 };
        Converting.Run(options);
        Converting.Run(options with { Output = options.Output with { Path = folder["y"] }, Threads = 7, MemoryBytes = 1 });
        Assert.Equal(Merging.Bytes(folder["x"]).OrderBy(f => f.Key), Merging.Bytes(folder["y"]).OrderBy(f => f.Key));
    }

    [Theory]
    [InlineData(0, null, null)]
    [InlineData(null, 1.5, null)]
    [InlineData(null, null, 1.0)]
    [InlineData(1, 0.5, null)]
    public void ABoundThatMakesNoSenseIsRefused(int? rank, double? energy, double? maxError)
    {
        using TempFolder folder = new();
        Converting.WriteLoha(folder["loha"], 6, 4, (One, 37, 53));
        Assert.Throws<InvalidOptionException>(() => Converting.Run(Converting.Options(folder["loha"], folder["lora"]) with { Rank = rank, Energy = energy, MaxError = maxError }));
        Assert.False(Path.Exists(folder["lora"]));
    }

    [Fact]
    public void AnInputIsNoOutputAndABaseHasToFit()
    {
        using TempFolder folder = new();
        Converting.WriteLoha(folder["loha"], 6, 4, (One, 37, 53));
        SafetensorsBytes.Write(folder["base.safetensors"], new TestTensor($"{One}.weight", DType.F32, [36, 53], new double[36 * 53]));
        ConvertOptions options = Converting.Options(folder["loha"], folder["lora"]) with { Rank = 2 };
        Assert.Throws<OutputException>(() => Converting.Run(options with { Output = options.Output with { Path = folder["loha"], Overwrite = true } }));
        Assert.Throws<TargetMismatchException>(() => Converting.Run(options with { Base = folder["base.safetensors"] }));
        Assert.Throws<InvalidOptionException>(() => Converting.Run(options with { Layout = "other" }));
        Assert.Throws<UnsupportedException>(() => Converting.Run(options with { Layout = "kohya", Output = new(folder["out.safetensors"]) }));
    }

    [Fact]
    public void NamesThatAreFlattenedNeedTheBase()
    {
        using TempFolder folder = new();
        SafetensorsBytes.Write(
            folder["a.safetensors"],
            new TestTensor("lora_unet_mid_block_to_q.lora_down.weight", DType.F32, [1, 3], [1, 2, 3]),
            new TestTensor("lora_unet_mid_block_to_q.lora_up.weight", DType.F32, [2, 1], [1, 2]));
        UnsupportedException refused = Assert.Throws<UnsupportedException>(() => Converting.Run(Converting.Options(folder["a.safetensors"], folder["lora"])));
        Assert.Contains("lora_unet_mid_block_to_q", refused.Message);
        Assert.Contains("--base", refused.Message);
    }

    [Fact]
    public void AValueThatIsNotFiniteIsRefusedByName()
    {
        using TempFolder folder = new();
        PeftFolder loha = new(folder["loha"], 1, 1);
        loha.Config["peft_type"] = "LOHA";
        foreach (string factor in (string[])["hada_w1_a", "hada_w2_a"]) loha.Add($"base_model.model.{One}.{factor}", DType.F32, [2, 1], [1, double.NaN]);
        foreach (string factor in (string[])["hada_w1_b", "hada_w2_b"]) loha.Add($"base_model.model.{One}.{factor}", DType.F32, [1, 2], [1, 1]);
        NonFiniteException refused = Assert.Throws<NonFiniteException>(() => Converting.Run(Converting.Options(loha.Save(), folder["lora"]) with { Rank = 1 }));
        Assert.Contains("hada_w1_a", refused.Message);
        Assert.False(Path.Exists(folder["lora"]));
    }

    [Fact]
    public void KindsThatNeedTheBaseAreListedWhereItIsMissing()
    {
        using TempFolder folder = new();
        ConvertOptions options = Converting.Options(Paths.Fixture("peft-kinds", "lora-dora-linear", "adapter"), folder["lora"]) with { Rank = 2 };
        UnsupportedException refused = Assert.Throws<UnsupportedException>(() => Converting.Run(options));
        Assert.Contains("of kind dora (", refused.Message);
        Assert.Contains("--base", refused.Message);
    }

    /// <summary>DoRA on Conv1D, with a square one whose neighbours alone say that it is [in, out].</summary>
    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.F64)]
    public void AWeightStoredTheOtherWayRoundIsTurned(DType type)
    {
        using TempFolder folder = new();
        Random random = new(5);
        SafetensorsBytes.Write(
            folder["base.safetensors"],
            Merging.Random("h.0.c_attn.weight", type, random, 12, 36), Merging.Random("h.0.c_attn.bias", type, random, 36),
            Merging.Random("h.0.c_proj.weight", type, random, 12, 12), Merging.Random("h.0.c_proj.bias", type, random, 12));
        PeftFolder dora = new(folder["dora"], 3, 7);
        dora.Config["use_dora"] = true;
        foreach ((string module, int outputs) in (ReadOnlySpan<(string, int)>)[("h.0.c_attn", 36), ("h.0.c_proj", 12)])
        {
            dora.Linear(module, outputs, 12, random);
            dora.Add($"base_model.model.{module}.lora_magnitude_vector.weight", DType.F32, [outputs], PeftFolder.Values(random, outputs, DType.F32));
        }

        Converting.Run(Converting.Options(dora.Save(), folder["lora"]) with { Base = folder["base.safetensors"], MaxError = 0 });
        var expected = Converting.Merged(folder, folder["base.safetensors"], folder["dora"]);
        var actual = Converting.Merged(folder, folder["base.safetensors"], folder["lora"]);
        foreach ((string name, (_, _, double[] values)) in expected)
        {
            Assert.All(values.Zip(actual[name].Values), pair => Assert.Equal(pair.First, pair.Second, 1e-6));
        }

        Assert.NotEqual(SafetensorsBytes.Read(folder["base.safetensors"])["h.0.c_proj.weight"].Values, actual["h.0.c_proj.weight"].Values);
    }
}
