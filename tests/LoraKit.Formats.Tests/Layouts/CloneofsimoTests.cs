using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Tests.Layouts;

public sealed class CloneofsimoTests
{
    [Fact]
    public void Pairs_keep_their_numbers_and_tokens_their_names()
    {
        FactorSample sample = Sample();
        using Adapter adapter = sample.Read();
        Assert.Equal("cloneofsimo", adapter.Layout);
        Assert.Equal(sample.Product("unet:17:up", "unet:17:down", turned: false, 1), FactorSample.Update(adapter, "unet:17"));
        Assert.Equal(("<s1>", "token_embedding"), (Assert.Single(adapter.Replacements).Target.Path, adapter.Replacements[0].Reason));
        Assert.Equal("unplaced_modules", Assert.Single(adapter.Issues).Code);
        Assert.Contains("CrossAttention", adapter.Issues[0].Message);
    }

    [Fact]
    public void What_is_written_reads_back_the_same()
    {
        using Adapter adapter = Sample().Read();
        using SavedAdapter saved = new(adapter);
        SavedAdapter.AssertSame(adapter, saved.Adapter);
        Assert.Equal(adapter.Metadata.OrderBy(entry => entry.Key), saved.Adapter.Metadata.OrderBy(entry => entry.Key));
    }

    [Fact]
    public void A_rank_that_is_not_the_metadata_s_and_what_has_no_place_are_errors()
    {
        FactorSample wrong = Sample();
        wrong.Metadata["unet:17:rank"] = "4";
        wrong.Fails<InvalidAdapterException>("metadata says 4");
        Sample().Tensor("<s2>", DType.F32, 7).Fails<InvalidAdapterException>("'<s2>'");
        Sample().Tensor("unet:18:down", DType.F32, 5, 7).Fails<InvalidAdapterException>("without its B");
        Sample().Tensor("unet:x:down", DType.F32, 5, 7).Fails<InvalidAdapterException>("'unet:x:down'");
    }

    [Fact]
    public void Names_and_scales_are_beyond_it()
    {
        using Adapter peft = new PeftSample().Lora("q").Read();
        using Adapter adapter = new("x", "cloneofsimo", null) { Deltas = peft.Deltas };
        Assert.Contains("no number", string.Join(";", AdapterLayouts.Named("cloneofsimo").Limits(adapter)));
        using Adapter read = Sample().Read();
        LowRankDelta pair = (LowRankDelta)read.Deltas[0];
        using Adapter scaled = new("x", "cloneofsimo", null) { Deltas = [pair.With(pair.Down, pair.Up, 2, 2)], Metadata = read.Metadata };
        Assert.Contains("no alpha", Assert.Throws<UnsupportedException>(() => AdapterLayouts.Named("cloneofsimo").Write(scaled)).Message);
    }

    private static FactorSample Sample()
    {
        FactorSample sample = new FactorSample().Tensor("unet:17:up", DType.F16, 37, 5).Tensor("unet:17:down", DType.F16, 5, 53).Tensor("<s1>", DType.F32, 7);
        sample.Metadata["unet"] = """["CrossAttention", "GEGLU"]""";
        sample.Metadata["unet:17:rank"] = "5";
        sample.Metadata["<s1>"] = "<embed>";
        return sample;
    }
}
