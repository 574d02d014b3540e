using LoraKit.Formats.Layouts;
using LoraKit.Formats.Layouts.Names.Architectures;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Merge;
using LoraKit.Ops.Tests.Compute;
using LoraKit.Ops.Tests.Conversion;
using LoraKit.Ops.Tests.Unmerge;
using LoraKit.Ops.Unmerge;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Merge.Pipelines;

/// <summary>Every architecture's adapters, in every layout that has words for them, into every form that bases have, against W + w·s·B·A.</summary>
public class PipelineBaseTests
{
    private const double Weight = -1.25;

    public static IEnumerable<TheoryDataRow<string, string, BaseForm>> Cases() =>
        from architecture in ArchitectureList.All
        from layout in (string[])["kohya", "diffusers", "comfy"]
        where AdapterLayouts.All.Any(l => l.Name == layout) && architecture.Parts[0].Spellings.ContainsKey(layout)
        from form in Enum.GetValues<BaseForm>()
        select new TheoryDataRow<string, string, BaseForm>(architecture.Name, layout, form);

    [Theory]
    [MemberData(nameof(Cases))]
    public void Merges(string architecture, string layout, BaseForm form)
    {
        using TempFolder temp = new();
        Random random = new(11);
        DType dtype = ((DType[])[DType.F32, DType.BF16, DType.F16])[((architecture.Length * 3) + layout.Length + (int)form) % 3];
        TinyPipeline pipeline = new(architecture, random);
        string @base = pipeline.WriteBase(temp, form, dtype);
        var updates = pipeline.WriteAdapter(temp["adapter.safetensors"], layout, random);
        foreach (string backend in ComputeBackends.Names.Select(row => row.Data).TakeLast(2))
        {
            using ICompute compute = ComputeBackends.Create(backend);
            Check(temp, pipeline, form, dtype, @base, temp["adapter.safetensors"], updates, compute);
        }
    }

    /// <summary>Both ways of a conversion are the same adapter to every base.</summary>
    [Theory]
    [MemberData(nameof(Cases))]
    public void AConvertedAdapterMergesAlike(string architecture, string layout, BaseForm form)
    {
        using TempFolder temp = new();
        Random random = new(12);
        TinyPipeline pipeline = new(architecture, random);
        string to = layout == "diffusers" ? "kohya" : "diffusers";
        if (pipeline.Architecture.Parts.Any(part => part.Spellings.ContainsKey(layout) && !part.Spellings.ContainsKey(to))) return;
        var updates = pipeline.WriteAdapter(temp["adapter.safetensors"], layout, random);
        Converting.Run(Converting.Options(temp["adapter.safetensors"], temp["converted.safetensors"]) with { Layout = to, Architecture = architecture });
        Check(temp, pipeline, form, DType.F32, pipeline.WriteBase(temp, form, DType.F32), temp["converted.safetensors"], updates, new SimdCompute());
    }

    [Theory]
    [InlineData("sdxl", "kohya", BaseForm.Folder)]
    [InlineData("flux1", "kohya", BaseForm.Folder)]
    [InlineData("flux1", "diffusers", BaseForm.SingleFile)]
    [InlineData("sd3", "diffusers", BaseForm.Comfy)]
    [InlineData("sd2", "kohya", BaseForm.SingleFile)]
    [InlineData("lumina2", "diffusers", BaseForm.SingleFile)]
    public void IsTakenBackByEveryWay(string architecture, string layout, BaseForm form)
    {
        using TempFolder temp = new();
        Random random = new(13);
        TinyPipeline pipeline = new(architecture, random);
        string @base = pipeline.WriteBase(temp, form, DType.BF16);
        if (form != BaseForm.Folder)
        {
            Directory.CreateDirectory(temp["single"]);
            File.Move(@base, temp["single", "model.safetensors"]);
            @base = temp["single"];
        }

        pipeline.WriteAdapter(temp["adapter.safetensors"], layout, random);
        MergeOptions options = Merging.Options(@base, temp["adapter.safetensors"], temp["out"]) with { TileBytes = 256 };
        Restoring.RoundTrip(temp, options);
        UnmergeReport byBase = Restoring.Run(Restoring.Options(temp, "by-base") with { UndoRecord = null, Base = @base });
        Assert.True(byBase.TensorsTotal > 0);
        foreach ((string name, byte[] bytes) in Merging.Bytes(temp["by-base"])) Assert.True(Merging.Bytes(@base)[name].AsSpan().SequenceEqual(bytes), name);
        Restoring.Run(Restoring.Options(temp, "by-adapter") with { UndoRecord = null, Adapters = [new(temp["adapter.safetensors"])] });
        var before = TinyPipeline.Read(form == BaseForm.Folder ? @base : Path.Combine(@base, "model.safetensors"));
        foreach ((string name, var after) in TinyPipeline.Read(form == BaseForm.Folder ? temp["by-adapter"] : temp["by-adapter", "model.safetensors"]))
        {
            // Two roundings to BF16 of values up to a few.
            for (int i = 0; i < after.Values.Length; i++) Assert.True(Math.Abs(after.Values[i] - before[name].Values[i]) <= 0.05, $"{name}[{i}]");
        }
    }

    private static void Check(
        TempFolder temp, TinyPipeline pipeline, BaseForm form, DType dtype, string @base, string adapter, IReadOnlyList<(double[] Update, double[] Magnitudes, int Terms)?> updates, ICompute compute)
    {
        string output = temp[form == BaseForm.Folder ? $"out-{Guid.NewGuid():N}" : $"out-{Guid.NewGuid():N}.safetensors"];
        Merging.Run(new() { Base = @base, Adapters = [new(adapter, Weight)], Output = output, Flush = false, TileBytes = 256 }, compute);
        var merged = TinyPipeline.Read(output);
        for (int i = 0; i < pipeline.Weights.Count; i++)
        {
            TinyPipeline.Entry weight = pipeline.Weights[i];
            double[] actual = weight.Of(merged, form);
            if (updates[i] is not var (update, magnitudes, terms))
            {
                Assert.Equal([.. weight.Values.Select(v => Merging.Rounded(v, dtype))], actual);
                continue;
            }

            double[] values = [.. weight.Values.Select(v => Merging.Rounded(v, dtype))];
            Merging.AssertClose(
                [.. values.Zip(update, (w, u) => w + (Weight * u))], [.. values.Zip(magnitudes, (w, m) => Math.Abs(w) + Math.Abs(Weight * m))], actual, dtype, terms + 2);
        }

        Assert.Equal([1, 2, 3], merged[form == BaseForm.Folder ? "vae.decoder.conv_in.weight" : "first_stage_model.decoder.conv_in.weight"].Values);
        if (form != BaseForm.Folder) return;
        // Apart from what changes, the folder is the base's.
        Assert.Equal(Merging.Bytes(@base).Keys.Order(), Merging.Bytes(output).Keys.Order());
        foreach ((string name, byte[] bytes) in Merging.Bytes(@base).Where(file => !file.Key.EndsWith(".safetensors", StringComparison.Ordinal)))
        {
            Assert.Equal(bytes, Merging.Bytes(output)[name]);
        }
    }
}
