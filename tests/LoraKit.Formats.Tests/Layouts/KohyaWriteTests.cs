using System.Security.Cryptography;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Safetensors;
using LoraKit.Formats.Tensors;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Layouts;

public sealed class KohyaWriteTests
{
    public static TheoryData<DType> Floats() => new(DTypes.All.Where(type => type.IsMergeable()));

    [Theory]
    [MemberData(nameof(Floats))]
    public void Read_and_written_it_is_the_same_file(DType dtype)
    {
        KohyaSample sample = new KohyaSample().Linear("lora_unet_a", 4, dtype).Alpha("lora_unet_a", 3, DType.F16)
            .Linear("lora_unet_b", 3, dtype).Bytes("lora_unet_b.alpha", DType.I64, [1], [7, 0, 0, 0, 0, 0, 0, 0])
            .Kernel("lora_unet_c", 2, 3, dtype).Alpha("lora_unet_c", 1.7, DType.BF16).Tucker("lora_unet_d", 2, dtype).Alpha("lora_unet_d", 5, DType.F64);
        sample.Metadata["ss_network_dim"] = "whatever it was";
        sample.Metadata["custom"] = "é\n";
        using Adapter adapter = sample.Read();
        using SavedAdapter saved = new(adapter);
        SavedAdapter.AssertSame(adapter, saved.Adapter);
        Assert.Equal(("whatever it was", "é\n"), (saved.Adapter.Metadata["ss_network_dim"], saved.Adapter.Metadata["custom"]));
        using ITensorSource before = sample.Source().Tensors;
        Assert.Equal(SavedAdapter.Tensors(before), saved.Tensors());
    }

    [Theory]
    [InlineData("sd-scripts-resized")]
    [InlineData("lycoris-locon")]
    [InlineData("lycoris-locon-tucker")]
    public void Files_of_other_programs_come_back_with_every_tensor(string name) => AssertRoundTrip(Paths.Fixture("kohya", name, "adapter.safetensors"));

    [Fact]
    public void And_so_do_the_conformance_cases()
    {
        Assert.SkipWhen(Paths.Conformance is null, "no conformance data on this machine");
        string[] files =
        [
            .. Directory.GetFiles(Path.Combine(Paths.Conformance!, "sd-scripts-resize"), "*.safetensors"),
            .. Directory.GetDirectories(Path.Combine(Paths.Conformance!, "lycoris"), "locon*").Where(f => !f.Contains("dora")).Select(f => Path.Combine(f, "adapter.safetensors")),
            .. Directory.GetDirectories(Path.Combine(Paths.Conformance!, "diffusers-convert"), "*-kohya*").Select(f => Path.Combine(f, "input.safetensors")),
        ];
        Assert.True(files.Length >= 14, $"{files.Length} files");
        foreach (string file in files) AssertRoundTrip(file);
    }

    [Theory]
    [InlineData(0.7)]
    [InlineData(-1.3)]
    [InlineData(1e-30)]
    [InlineData(3e20)]
    [InlineData(1.0 / 3)]
    public void Another_scale_reads_back_within_the_rounding_of_a_single(double factor)
    {
        foreach (long rank in (long[])[1, 4, 32])
        {
            using Adapter adapter = new KohyaSample().Linear("m", rank).Alpha("m", 3, DType.F16).Read();
            LowRankDelta update = (LowRankDelta)adapter.Deltas[0];
            using SavedAdapter saved = Saved(adapter, update.With(update.Down, update.Up, update.Scale * factor, 0));
            double wanted = update.Scale * factor;
            Assert.Equal(0, (((LowRankDelta)saved.Adapter.Deltas[0]).Scale - wanted) / wanted, Math.ScaleB(1, -24));
            Assert.Empty(saved.Adapter.Issues);
        }
    }

    [Fact]
    public void Alpha_is_a_single_unless_it_is_beyond_its_range()
    {
        using Adapter adapter = new KohyaSample().Linear("m").Alpha("m", 3, DType.F16).Read();
        LowRankDelta update = (LowRankDelta)adapter.Deltas[0];
        foreach ((double scale, DType dtype) in ((double, DType)[])[(0.75, DType.F16), (0.5, DType.F32), (0.1, DType.F32), (1e-60, DType.F64)])
        {
            using SavedAdapter saved = Saved(adapter, update.With(update.Down, update.Up, scale, 0));
            var alpha = SafetensorsBytes.Read(saved.TensorFile)["m.alpha"];
            Assert.Equal((dtype, new TensorShape()), (alpha.DType, alpha.Shape));
            Assert.Equal(dtype == DType.F32 ? (float)(4 * scale) : 4 * scale, alpha.Values[0]);
        }
    }

    [Fact]
    public void Scale_zero_is_written_as_an_update_of_zeros()
    {
        using Adapter adapter = new KohyaSample().Linear("m").Alpha("m", 3).Read();
        LowRankDelta update = (LowRankDelta)adapter.Deltas[0];
        using SavedAdapter back = Saved(adapter, update.With(update.Down, update.Up, 0, 0));
        LowRankDelta read = (LowRankDelta)back.Adapter.Deltas[0];
        Assert.All(read.Up.ToDoubles(), value => Assert.Equal(0, value));
        Assert.Empty(back.Adapter.Issues);
    }

    [Fact]
    public void Other_factors_take_the_place_of_a_Tucker_core()
    {
        using Adapter adapter = new KohyaSample().Tucker("m", 2).Alpha("m", 3).Read();
        LowRankDelta update = (LowRankDelta)adapter.Deltas[0];
        MemoryTensor down = new("d", update.Down.Shape, [.. update.Down.ToDoubles().Select(value => value / 2)]);
        using SavedAdapter back = Saved(adapter, update.With(down, update.Up, 3, 0));
        Assert.Equal(["m.alpha", "m.lora_down.weight", "m.lora_up.weight"], SafetensorsBytes.Read(back.TensorFile).Keys.Order(StringComparer.Ordinal));
        Assert.Equal(down.ToDoubles(), ((LowRankDelta)back.Adapter.Deltas[0]).Down.ToDoubles());

        // A new up alone leaves the core where it is.
        MemoryTensor up = new("u", update.Up.Shape, [.. update.Up.ToDoubles().Select(value => value / 2)]);
        using SavedAdapter folded = Saved(adapter, update.With(update.Down, up, 3, 0));
        Assert.Equal(3, ((LowRankDelta)folded.Adapter.Deltas[0]).Scale);
        Assert.Equal(update.Down.ToDoubles(), ((LowRankDelta)folded.Adapter.Deltas[0]).Down.ToDoubles());
        Assert.Contains("m.lora_mid.weight", SafetensorsBytes.Read(folded.TensorFile).Keys);
    }

    [Theory]
    [InlineData("8", "4.0", 5, 2.5, "5", "2.5")]
    [InlineData("5", "2.5", 5, 2.5, "5", "2.5")]
    [InlineData("None", "1", 3, 1, "3", "1")]
    public void Rank_and_alpha_in_the_metadata_follow(string dim, string alpha, long rank, double newAlpha, string newDim, string expectedAlpha)
    {
        KohyaSample sample = new KohyaSample().Linear("a").Linear("b").Alpha("a", 4).Alpha("b", 4);
        (sample.Metadata["ss_network_dim"], sample.Metadata["ss_network_alpha"], sample.Metadata["ss_tag_frequency"]) = (dim, alpha, "{}");
        IReadOnlyDictionary<string, string> metadata = Resized(sample, _ => rank, newAlpha);
        Assert.Equal((newDim, expectedAlpha, "{}"), (metadata["ss_network_dim"], metadata["ss_network_alpha"], metadata["ss_tag_frequency"]));
        Assert.DoesNotContain("ss_network_args", metadata.Keys);
    }

    [Fact]
    public void Modules_that_differ_are_Dynamic_and_ranks_by_block_go()
    {
        KohyaSample sample = new KohyaSample().Linear("a").Linear("b").Alpha("a", 4).Alpha("b", 4);
        (sample.Metadata["ss_network_dim"], sample.Metadata["ss_network_alpha"]) = ("4", "4");
        sample.Metadata["ss_network_args"] = """{"block_dims": "2,4", "block_alphas": "1,2", "img_attn_dim": "3", "rank_dropout": "0.1"}""";
        IReadOnlyDictionary<string, string> metadata = Resized(sample, name => name == "a" ? 3 : 2, 1);
        Assert.Equal(("Dynamic", "Dynamic"), (metadata["ss_network_dim"], metadata["ss_network_alpha"]));
        Assert.Equal("""{"rank_dropout":"0.1"}""", metadata["ss_network_args"]);
    }

    [Theory]
    [InlineData("""{"conv_dim": "8", "conv_alpha": "1", "x": true}""", """{"conv_dim":"2","conv_alpha":"1","x":true}""")]
    [InlineData("""{"conv_dim": 8, "conv_alpha": 4.0}""", """{"conv_dim":2,"conv_alpha":1.0}""")]
    [InlineData("None", """{"conv_dim":"2","conv_alpha":"1.0"}""")]
    [InlineData("{broken", "{broken")]
    [InlineData("""{"a": 1, "a": 2}""", """{"a": 1, "a": 2}""")]
    [InlineData("""{"conv_dim": "\ud800"}""", """{"conv_dim": "\ud800"}""")]
    [InlineData("""{"conv_dim": "8", "x": "\ud800"}""", """{"conv_dim": "8", "x": "\ud800"}""")]
    [InlineData("""{"conv_dim": "8", "x": [{"y": "\udc00"}]}""", """{"conv_dim": "8", "x": [{"y": "\udc00"}]}""")]
    [InlineData("""{"conv_dim": "8", "\ud800": 1}""", """{"conv_dim": "8", "\ud800": 1}""")]
    [InlineData("[1]", "[1]")]
    public void Kernels_have_a_rank_of_their_own_in_the_arguments(string arguments, string expected)
    {
        KohyaSample sample = new KohyaSample().Linear("a").Kernel("k", 4, 3).Kernel("one", 4, 1).Alpha("a", 4).Alpha("k", 4).Alpha("one", 4);
        (sample.Metadata["ss_network_dim"], sample.Metadata["ss_network_alpha"], sample.Metadata["ss_network_args"]) = ("4", "4", arguments);
        IReadOnlyDictionary<string, string> metadata = Resized(sample, name => name == "k" ? 2 : 3, name => name == "k" ? 1 : 1.5);
        Assert.Equal(("3", "1.5", expected), (metadata["ss_network_dim"], metadata["ss_network_alpha"], metadata["ss_network_args"]));
    }

    [Theory]
    [InlineData(false, 40)]
    [InlineData(true, 40)]
    [InlineData(true, 30_000)]
    [InlineData(true, 26_300)]
    [InlineData(true, 60_000)]
    public void Hashes_are_those_of_the_written_bytes(bool isTrained, long inputs)
    {
        KohyaSample sample = new KohyaSample().Linear("a", 4, DType.F32, inputs, 9).Alpha("a", 2).Linear("b", 4, DType.F16, inputs, 9).Alpha("b", 2);
        sample.Metadata["modelspec.hash_sha256"] = "0xold";
        if (isTrained) (sample.Metadata["ss_network_dim"], sample.Metadata["sshs_model_hash"], sample.Metadata["ss_text"]) = ("4", "stale", "line\n\"é\"");
        using TempFolder folder = new();
        using Adapter adapter = sample.Read();
        Assert.Equal(AdapterLayouts.Named("kohya").Write(adapter).Bytes, AdapterLayouts.Save(adapter, folder["x.safetensors"], new()));
        byte[] file = File.ReadAllBytes(folder["x.safetensors"]);
        using SafetensorsFile opened = SafetensorsFile.Open(folder["x.safetensors"]);
        string model = Convert.ToHexStringLower(SHA256.HashData(file.AsSpan((int)opened.Header.DataOffset)));
        Assert.Equal("0x" + model, opened.Metadata["modelspec.hash_sha256"]);
        Assert.Equal(isTrained, opened.Metadata.ContainsKey("sshs_model_hash"));
        if (!isTrained) return;
        Assert.Equal(model, opened.Metadata["sshs_model_hash"]);

        // sd-scripts' definition, on the file it would have hashed.
        byte[] header = SafetensorsHeader.Plan(
            opened.Tensors.Select(t => (t.Name, t.DType, t.Shape)), opened.Metadata.Where(e => e.Key.StartsWith("ss_")).ToDictionary()).ToBytes();
        byte[] hashed = [.. header, .. file.AsSpan((int)opened.Header.DataOffset)];
        int start = Math.Min(0x100000, hashed.Length);
        Assert.Equal(
            Convert.ToHexStringLower(SHA256.HashData(hashed.AsSpan(start, Math.Min(0x10000, hashed.Length - start))))[..8], opened.Metadata["sshs_legacy_hash"]);
    }

    [Fact]
    public void What_kohya_cannot_say_is_refused_with_every_reason()
    {
        using Adapter adapter = new KohyaSample().Linear("m").Linear("n").Read();
        LowRankDelta update = (LowRankDelta)adapter.Deltas[0];
        MemoryTensor values = new("v", new TensorShape(3), [1f, 2, 3]);
        Adapter more = new("x", "kohya", null)
        {
            Deltas = [update, update, new DenseDelta(new(new("n"), "bias"), values, 2)],
            Replacements = [new Replacement(new(new("head"), "weight"), values, null, "modules_to_save")],
        };
        Assert.Equal(3, AdapterLayouts.Named("kohya").Limits(more).Count);
        using TempFolder folder = new();
        UnsupportedException error = Assert.Throws<UnsupportedException>(() => AdapterLayouts.Save(more, folder["x.safetensors"], new()));
        foreach (string part in (string[])["'n.bias'", "a difference of scale 2", "'head.weight'", "'m.weight' has 2 updates"]) Assert.Contains(part, error.Message);
        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
    }

    private static void AssertRoundTrip(string path)
    {
        using Adapter adapter = AdapterLayouts.Open(path);
        using SavedAdapter saved = new(adapter);
        SavedAdapter.AssertSame(adapter, saved.Adapter);
        using SafetensorsFile before = SafetensorsFile.Open(path);
        Assert.Equal(before.Tensors[0].Name.StartsWith("lycoris_", StringComparison.Ordinal) ? "lycoris" : "kohya", adapter.Layout);
        Assert.Equal(SavedAdapter.Tensors(before), saved.Tensors());
        Assert.Equal(
            before.Metadata.Where(e => !e.Key.StartsWith("sshs_")).OrderBy(e => e.Key, StringComparer.Ordinal),
            saved.Adapter.Metadata.Where(e => !e.Key.StartsWith("sshs_")).OrderBy(e => e.Key, StringComparer.Ordinal));
    }

    private static SavedAdapter Saved(Adapter source, params AdapterDelta[] deltas) =>
        new(new Adapter(source.Path, "kohya", null) { Deltas = deltas, Metadata = source.Metadata });

    private static IReadOnlyDictionary<string, string> Resized(KohyaSample sample, Func<string, long> rank, double alpha) => Resized(sample, rank, _ => alpha);

    private static IReadOnlyDictionary<string, string> Resized(KohyaSample sample, Func<string, long> rank, Func<string, double> alpha)
    {
        using Adapter adapter = sample.Read();
        using SavedAdapter back = Saved(adapter, [.. adapter.Deltas.Cast<LowRankDelta>().Select(delta =>
        {
            string name = delta.Target.Module.Path;
            TensorShape down = new([rank(name), .. delta.Down.Shape.Sizes.AsSpan()[1..]]);
            TensorShape up = new([delta.Up.Shape[0], rank(name), .. delta.Up.Shape.Sizes.AsSpan()[2..]]);
            return delta.With(
                new MemoryTensor("d", down, new float[down.ElementCount]), new MemoryTensor("u", up, new float[up.ElementCount]), alpha(name) / rank(name), 0);
        })]);
        return back.Adapter.Metadata;
    }
}
