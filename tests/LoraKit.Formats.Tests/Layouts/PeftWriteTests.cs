using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>Read(Write(a)) = a, tensor by tensor, and a configuration that PEFT would have written.</summary>
public sealed class PeftWriteTests
{
    public static TheoryData<string> Fixtures() => new(Directory.GetDirectories(Paths.Fixture("peft")).Select(folder => Path.GetFileName(folder)));

    public static TheoryData<DType> Floats() => new(DTypes.All.Where(type => type.IsMergeable()));

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void An_adapter_of_PEFTs_comes_back_byte_by_byte(string name) => AssertComesBack(Paths.Fixture("peft", name, "adapter"));

    [Fact]
    public void And_so_do_the_conformance_cases()
    {
        Assert.SkipWhen(Paths.Conformance is null, "no conformance data on this machine");
        int plain = 0;
        foreach (string folder in Directory.GetDirectories(Path.Combine(Paths.Conformance!, "peft"))
            .SelectMany(folder => Directory.GetDirectories(folder)).Where(folder => File.Exists(Path.Combine(folder, "adapter_config.json"))))
        {
            JsonNode config = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "adapter_config.json")))!;
            if ((string?)config["peft_type"] is not ("LORA" or "LOHA" or "LOKR") || config["target_parameters"] is not null) continue;
            AssertComesBack(folder);
            plain++;
        }

        Assert.True(plain > 50, $"{plain} cases");
    }

    [Theory]
    [InlineData("johntnanney__gradience/examples/adapters/tiny_lora")]
    [InlineData("hyper07__Skin-Lesion-Generation-Diffusion/lora_weights")]
    public void Adapters_from_the_wild_come_back_with_every_tensor(string path)
    {
        Assert.SkipWhen(Paths.RealData is null, "no real adapters on this machine");
        string folder = Path.Combine(Paths.RealData!, "peft", path);
        using Adapter adapter = AdapterLayouts.Open(folder);
        using SavedAdapter saved = new(adapter);
        using SafetensorsFile before = SafetensorsFile.Open(Path.Combine(folder, "adapter_model.safetensors"));
        Assert.Equal(SavedAdapter.Tensors(before), saved.Tensors());
        Assert.True(JsonNode.DeepEquals(adapter.Config!.Json, saved.Adapter.Config!.Json));
    }

    [Theory]
    [MemberData(nameof(Floats))]
    public void Every_kind_of_every_type_comes_back(DType dtype)
    {
        PeftSample sample = new("""
            {
              "r": 4, "lora_alpha": 3, "lora_bias": true, "modules_to_save": ["head"], "bias": "lora_only", "é": ["\u0001", {"z": 1, "a": 0.10}],
              "target_modules": ["q", "conv", "wte"], "trainable_token_indices": [2, 0]
            }
            """);
        sample.Valued("base_model.model.m.q.lora_A.weight", dtype, 4, 53).Valued("base_model.model.m.q.lora_B.weight", dtype, 37, 4)
            .Valued("base_model.model.m.q.lora_B.bias", dtype, 37).Valued("base_model.model.m.q.base_layer.bias", dtype, 37)
            .Valued("base_model.model.conv.lora_A.weight", dtype, 4, 5, 3, 3).Valued("base_model.model.conv.lora_B.weight", dtype, 7, 4, 1, 1)
            .Valued("base_model.model.wte.lora_embedding_A", dtype, 4, 11).Valued("base_model.model.wte.lora_embedding_B", dtype, 6, 4)
            .Valued("base_model.model.wte.token_adapter.base_layer.weight", dtype, 11, 6)
            .Valued("base_model.model.wte.token_adapter.trainable_tokens_delta", dtype, 2, 6)
            .Valued("base_model.model.head.weight", dtype, 3, 6).Valued("base_model.model.head.bias", dtype, 3);
        using AdapterSource source = sample.Source();
        using Adapter adapter = sample.Read();
        using SavedAdapter saved = new(adapter);
        Assert.Equal(SavedAdapter.Tensors(source.Tensors), saved.Tensors());
        SavedAdapter.AssertSame(adapter, saved.Adapter);
        Assert.True(JsonNode.DeepEquals(sample.Config, saved.Adapter.Config!.Json), saved.Config);
        Assert.Contains("0.10", saved.Config);
    }

    [Fact]
    public void Old_spellings_become_PEFTs_own()
    {
        PeftSample sample = new("""{ "bias": "lora_only" }""");
        sample.Valued("m.q.lora_A.default.weight", DType.F32, 8, 6).Valued("m.q.lora_B.default.weight", DType.F32, 5, 8).Valued("m.q.bias", DType.F32, 5)
            .Valued("h.modules_to_save.default.weight", DType.F32, 2, 2);
        using Adapter adapter = sample.Read();
        using SavedAdapter saved = new(adapter);
        Assert.Equal(
            ["base_model.model.h.weight", "base_model.model.m.q.base_layer.bias", "base_model.model.m.q.lora_A.weight", "base_model.model.m.q.lora_B.weight"],
            saved.Tensors().Select(tensor => tensor.Name));
        SavedAdapter.AssertSame(adapter, saved.Adapter);
        Assert.Equal("""["h"]""", saved.Adapter.Config!.Json["modules_to_save"]!.ToJsonString());
    }

    [Fact]
    public void Without_a_configuration_it_has_all_of_PEFTs_settings()
    {
        LowRankDelta q = Update("m.q", 3, 2.0 / 3);
        using SavedAdapter saved = new(new Adapter("x", "peft", null)
        {
            Deltas = [q],
            Config = new AdapterConfig(new JsonObject { ["base_model_name_or_path"] = "some/base" }),
        });
        SavedAdapter.AssertSame(new Adapter("x", "peft", null) { Deltas = [q] }, saved.Adapter);
        JsonObject config = saved.Adapter.Config!.Json;
        Assert.Equal(("some/base", 3, 2), ((string?)config["base_model_name_or_path"], (int)config["r"]!, (int)config["lora_alpha"]!));
        Assert.Equal("""["m.q"]""", config["target_modules"]!.ToJsonString());
        Assert.True((bool)config["inference_mode"]! && config.ContainsKey("task_type") && config["task_type"] is null);
        Assert.Empty(saved.Adapter.Issues);

        // Every setting that PEFT itself saves, but its version and what is newer than the release.
        IEnumerable<string> theirs = AdapterLayouts.Open(Paths.Fixture("peft", "lora-linear-f32", "adapter")).Config!.Json.Select(member => member.Key);
        Assert.Empty(theirs.Except(config.Select(member => member.Key)).Except(["peft_version", "kasa_config", "lora_ga_config", "monteclora_config", "use_bdlora", "velora_config"]));
    }

    [Fact]
    public void A_bias_update_of_another_scale_is_folded()
    {
        using Adapter adapter = AdapterLayouts.Open(Paths.Fixture("peft", "lora-lora-bias", "adapter"));
        AdapterDelta[] deltas = [.. adapter.Deltas.Select(delta => delta is DenseDelta bias ? new DenseDelta(bias.Target, bias.Values, 0.3) : delta)];
        using SavedAdapter saved = new(new Adapter("x", "peft", null) { Deltas = deltas, Config = adapter.Config });
        foreach (DenseDelta bias in deltas.OfType<DenseDelta>())
        {
            DenseDelta other = saved.Adapter.Deltas.OfType<DenseDelta>().Single(delta => delta.Target == bias.Target);
            double[] expected = [.. bias.Values.ToDoubles().Select(value => 0.3 * value)];
            Assert.All(other.Values.ToDoubles().Zip(expected), pair => Assert.Equal(pair.Second, other.Scale * pair.First, 1e-15));
        }
    }

    [Fact]
    public void What_PEFT_cannot_say_is_refused_with_every_reason()
    {
        MemoryTensor vector = new("v", new TensorShape(5), new float[5]);
        LowRankDelta q = Update("m.q", 2, 1);
        LowRankDelta embedding = new(new(new("wte"), "weight"), Values(2, 3), Values(4, 2), 1, 2) { IsEmbedding = true };
        LowRankDelta square = new(new(new("s"), "weight"), Values(2, 3), Values(3, 2), 1, 2, WeightOrientation.InOut);
        LowRankDelta other = new(new(new("t"), "weight"), Values(2, 3), Values(3, 2), 1, 2, WeightOrientation.OutIn);
        Adapter adapter = new("x", "peft", null)
        {
            Deltas =
            [
                q, q, embedding, square, other, new DenseDelta(new(new("m.k"), "bias"), vector, 1), new DenseDelta(new(new("m.q"), "weight"), vector, 1),
                new DenseDelta(new(new("wte"), "bias"), vector, 1), new LowRankDelta(new(new("e"), "gate_up_proj"), Values(2, 3), Values(4, 2), 1, 2),
                new LowRankDelta(new(new(""), "weight"), Values(2, 3), Values(4, 2), 1, 2), Update("big", 2, 1.7e308), Update("a._orig_mod.q", 2, 1),
                Update("a.base_layer", 2, 1), Update(new string('x', 2000), 2, 1),
            ],
            Replacements =
            [
                new Replacement(new(new(""), "scale"), vector, null, "modules_to_save"), new Replacement(new(new("m.q"), "weight"), vector, null, "modules_to_save"),
                new Replacement(new(new("h"), "bias"), vector, [0, 1, 2, 3, 4], "trainable_tokens"),
                new Replacement(new(new("n"), "weight"), vector, null, "x"), new Replacement(new(new("n"), "weight"), vector, null, "x"),
            ],
        };
        Assert.Equal(3, AdapterLayouts.Named("peft").Limits(adapter).Count(reason => reason.Contains("keys cannot carry")));
        using TempFolder folder = new();
        string message = Assert.Throws<UnsupportedException>(() => AdapterLayouts.Save(adapter, folder["out"], new())).Message;
        foreach (string part in (string[])
            ["'m.q.weight' has 3 updates", "fan_in_fan_out", "'m.k.bias'", "'wte.bias'", "'e.gate_up_proj'", "'weight' belongs", "'big.weight'", "'a._orig_mod.q.weight' has a name", "'a.base_layer.weight' has a name", "'scale'", "replaced in full and its module updated", "rows of 'h.bias'", "'n.weight' is replaced 2 times"])
        {
            Assert.Contains(part, message);
        }

        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public void A_square_weight_keeps_its_orientation()
    {
        foreach (WeightOrientation orientation in (WeightOrientation[])[WeightOrientation.InOut, WeightOrientation.OutIn])
        {
            LowRankDelta square = new(new(new("s"), "weight"), Values(2, 3), Values(3, 2), 1, 2, orientation);
            using SavedAdapter saved = new(new Adapter("x", "peft", null) { Deltas = [square] });
            Assert.Equal(orientation == WeightOrientation.InOut, ((LowRankDelta)saved.Adapter.Deltas[0]).SquareIsInOut);
        }
    }

    [Fact]
    public void A_kernels_flat_B_gets_its_dimensions()
    {
        LowRankDelta kernel = new(new(new("c"), "weight"), Values(2, 3, 3, 3), Values(4, 2), 1, 2);
        using SavedAdapter saved = new(new Adapter("x", "peft", null) { Deltas = [kernel] });
        Assert.Equal(new TensorShape(4, 2, 1, 1), ((LowRankDelta)saved.Adapter.Deltas[0]).Up.Shape);
        Assert.Equal(kernel.Up.ToDoubles(), ((LowRankDelta)saved.Adapter.Deltas[0]).Up.ToDoubles());
    }

    internal static LowRankDelta Update(string module, long rank, double scale) =>
        new(new(new(module), "weight"), Values(rank, 6), Values(5, rank), scale, scale * rank);

    private static MemoryTensor Values(params long[] shape) =>
        new("v", new TensorShape(shape), [.. Enumerable.Range(1, (int)new TensorShape(shape).ElementCount).Select(i => 1f / i)]);

    internal static void AssertComesBack(string folder)
    {
        using Adapter adapter = AdapterLayouts.Open(folder);
        using SavedAdapter saved = new(adapter);
        using SafetensorsFile before = SafetensorsFile.Open(Path.Combine(folder, "adapter_model.safetensors"));
        Assert.Equal(SavedAdapter.Tensors(before), saved.Tensors());
        Assert.Equal(File.ReadAllText(Path.Combine(folder, "adapter_config.json")), saved.Config);
        SavedAdapter.AssertSame(adapter, saved.Adapter);
    }
}
