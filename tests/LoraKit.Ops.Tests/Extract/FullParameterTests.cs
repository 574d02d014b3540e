using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Extract;
using LoraKit.Tests;

namespace LoraKit.Ops.Tests.Extract;

/// <summary>What is carried as it is, what becomes low-rank instead, and what is left out.</summary>
public sealed class FullParameterTests
{
    private const string Weight = "model.layers.0.q_proj.weight", Bias = "model.layers.0.q_proj.bias";
    private const string Norm = "model.layers.0.input_layernorm.weight", NormBias = "model.layers.0.input_layernorm.bias";
    private const string Embedding = "model.embed_tokens.weight", Head = "lm_head.weight", Other = "model.layers.0.mixer.A_log";

    public static TheoryData<FullParameters, string[], string[]> Choices => new()
    {
        { FullParameters.None, [], [NormBias, Norm, Other, Bias] },
        { FullParameters.Norms, [NormBias, Norm], [Other, Bias] },
        { FullParameters.Biases, [Bias], [NormBias, Norm, Other] },
        { FullParameters.Norms | FullParameters.Biases, [NormBias, Norm, Bias], [Other] },
        { FullParameters.Norms | FullParameters.Biases | FullParameters.Embeddings, [Head, Embedding, NormBias, Norm, Bias], [Other] },
    };

    [Theory]
    [MemberData(nameof(Choices))]
    public void Each_kind_can_be_chosen(FullParameters full, string[] carried, string[] leftOut)
    {
        using TempFolder folder = new();
        TunedModel model = Everything(folder).Save();
        ExtractOptions options = model.Options with { Rank = 2, Full = full };
        using (ExtractPlan plan = ExtractPlan.Create(options))
        {
            Assert.Equal(carried, plan.Full);
            Assert.Equal(leftOut, plan.LeftOut);
            Assert.Contains($"{leftOut.Length} changed", Assert.Single(plan.Warnings));
            Assert.Equal(full.HasFlag(FullParameters.Embeddings) ? [Weight] : [Head, Embedding, Weight], plan.Modules);
        }

        TunedModel.Run(options);
        using (Adapter adapter = AdapterLayouts.Open(model.OutputPath))
        {
            Assert.Equal(carried.Order(), adapter.Replacements.Select(r => r.Target.Path).Order());
            Assert.DoesNotContain(adapter.Issues, issue => issue.Severity == IssueSeverity.Warning);
        }

        // What is carried is the tuned model's to the bit, what is left out the base's.
        Dictionary<string, double[]> merged = model.Merged();
        Assert.All(carried, name => Assert.Equal(0, model.ErrorOf(name, merged[name])));
        Assert.All(leftOut, name => Assert.Equal(1, model.ErrorOf(name, merged[name])));
        Assert.All([Weight, Embedding, Head], name => Assert.InRange(model.ErrorOf(name, merged[name]), 0, 1e-5));
    }

    [Fact]
    public void A_vocabulary_that_grew()
    {
        using TempFolder folder = new();
        TunedModel model = new TunedModel(folder).Matrix(Weight, DType.F32, [12, 10], 2)
            .AddToBase(Embedding, DType.F32, [3, 2], [1, 2, 3, 4, 5, 6]).AddToTuned(Embedding, DType.F32, [4, 2], [1, 2, 3, 4, 5, 6, 7, 8])
            .AddToBase(Head, DType.F32, [3, 2], [1, 2, 3, 4, 5, 6]).AddToTuned(Head, DType.F32, [4, 2], [1, 2, 3, 4, 5, 9, 7, 8])
            .Save("""{"model_type": "llama", "tie_word_embeddings": false, "vocab_size": 3}""");
        TunedModel.Run(model.Options with { Rank = 2, Full = FullParameters.Embeddings });
        Dictionary<string, double[]> merged = model.Merged();
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8], merged[Embedding]);
        Assert.Equal([1, 2, 3, 4, 5, 9, 7, 8], merged[Head]);
    }

    [Fact]
    public void Old_names_of_norms_are_carried_by_their_new_ones()
    {
        using TempFolder folder = new();
        TunedModel model = new TunedModel(folder).Add("bert.LayerNorm.gamma", DType.F32, [2], [1, 1], [2, 1]).Add("bert.LayerNorm.beta", DType.F32, [2], [0, 0], [0, 3]).Save();
        TunedModel.Run(model.Options with { Rank = 2 });
        using (Adapter adapter = AdapterLayouts.Open(model.OutputPath))
        {
            Assert.Equal(["bert.LayerNorm.bias", "bert.LayerNorm.weight"], adapter.Replacements.Select(r => r.Target.Path).Order());
        }

        Dictionary<string, double[]> merged = model.Merged();
        Assert.Equal([2, 1], merged["bert.LayerNorm.gamma"]);
        Assert.Equal([0, 3], merged["bert.LayerNorm.beta"]);
    }

    private static TunedModel Everything(TempFolder folder) => new TunedModel(folder)
        .Matrix(Weight, DType.F32, [12, 10], 2).Add(Bias, DType.F32, [12], new double[12], [.. Enumerable.Range(1, 12).Select(i => (double)i)])
        .Add(Norm, DType.F32, [2], [1, 1], [2, 1]).Add(NormBias, DType.F32, [2], [0, 0], [0, 3])
        .Matrix(Embedding, DType.F32, [30, 10], 2).Matrix(Head, DType.F32, [30, 10], 2)
        .Add(Other, DType.F32, [2], [1, 1], [2, 2]);
}
