using LoraKit.Formats.Tensors;
using LoraKit.Ops.Targets;

namespace LoraKit.Ops.Extract;

/// <summary>What a tensor of a model is, as far as an adapter tells such things apart.</summary>
internal enum TensorRole : byte
{
    /// <summary>A linear layer's matrix, or a kernel.</summary>
    Matrix,

    /// <summary>An output head's matrix.</summary>
    Head,

    /// <summary>A table with a row per word or position.</summary>
    Embedding,

    /// <summary>A parameter of a normalisation layer.</summary>
    Norm,

    /// <summary>A bias of a linear layer or a convolution.</summary>
    Bias,

    /// <summary>What a head adds to its logits.</summary>
    HeadBias,

    /// <summary>A parameter that is no module's weight or bias: an adapter has no name for it.</summary>
    Other,
}

/// <summary>Roles by name and shape.</summary>
internal static class TensorRoles
{
    private const string Weight = ".weight";
    private const string Bias = ".bias";
    private const int LargestKernel = 5;

    /// <summary>Tables that are no input embeddings.</summary>
    private static readonly HashSet<string> Tables = new(StringComparer.Ordinal)
    {
        "wpe", "embed_positions", "position_embeddings", "token_type_embeddings", "position_embedding", "token_embedding", "relative_attention_bias",
    };

    /// <param name="name">As today's code spells it.</param>
    /// <param name="shape">The tensor's sizes.</param>
    /// <param name="shapeOf">The sizes of another tensor of the model; null where it has none of that name.</param>
    public static TensorRole Of(string name, TensorShape shape, Func<string, TensorShape?> shapeOf)
    {
        if (name.EndsWith(Weight, StringComparison.Ordinal))
        {
            return shape.Rank switch
            {
                1 => TensorRole.Norm,
                2 when TiedEmbeddings.IsInput(name) || Tables.Contains(BaseNames.LastComponent(name[..^Weight.Length])) => TensorRole.Embedding,
                2 when TiedEmbeddings.IsOutput(name) => TensorRole.Head,
                >= 2 and <= LargestKernel => TensorRole.Matrix,
                _ => TensorRole.Other,
            };
        }

        if (shape.Rank != 1 || !name.EndsWith(Bias, StringComparison.Ordinal)) return TensorRole.Other;
        if (TiedEmbeddings.IsOutputBias(name)) return TensorRole.HeadBias;
        return shapeOf(name[..^Bias.Length] + Weight) is { Rank: >= 2 } ? TensorRole.Bias : TensorRole.Norm;
    }
}
