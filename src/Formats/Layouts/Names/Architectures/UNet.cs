using static LoraKit.Formats.Layouts.Names.Architectures.Rules;

namespace LoraKit.Formats.Layouts.Names.Architectures;

/// <summary>
/// The UNets of Stable Diffusion: diffusers' down, mid and up blocks are runs of LDM's input, middle and output blocks, two layers to a down block, three to an up
/// block. See spec/layouts/names.md, "UNet".
/// </summary>
internal static class UNet
{
    private const int DownLayers = 2;
    private const int UpLayers = 3;

    private static readonly NameRule[] Resnet =
    [
        Of("in_layers.0", "norm1"), Of("in_layers.2", "conv1"), Of("emb_layers.1", "time_emb_proj"), Of("out_layers.0", "norm2"), Of("out_layers.3", "conv2"),
        Of("skip_connection", "conv_shortcut"),
    ];

    private static readonly NameRule[] Ends =
    [
        Of("time_embed.0", "time_embedding.linear_1"), Of("time_embed.2", "time_embedding.linear_2"), Of("label_emb.0.0", "add_embedding.linear_1"),
        Of("label_emb.0.2", "add_embedding.linear_2"), Of("input_blocks.0.0", "conv_in"), Of("out.0", "conv_norm_out"), Of("out.2", "conv_out"),
    ];

    /// <summary>The modules of a UNet.</summary>
    /// <param name="attentive">Of each level from the outermost in: whether it has attention.</param>
    /// <param name="depth">The number of a transformer's block: <c>0</c> where there is one, <c>#</c> where there are several.</param>
    public static NameMap Map(IReadOnlyList<bool> attentive, string depth)
    {
        NameRule[] transformer = [.. Transformer(depth)];
        List<NameRule> rules = [.. Ends];
        int levels = attentive.Count;
        for (int block = 0; block < levels; block++)
        {
            for (int layer = 0; layer < DownLayers; layer++)
            {
                string input = $"input_blocks.{(3 * block) + layer + 1}.";
                rules.AddRange(Under(input + "0.", $"down_blocks.{block}.resnets.{layer}.", Resnet));
                if (attentive[block]) rules.AddRange(Under(input + "1.", $"down_blocks.{block}.attentions.{layer}.", transformer));
            }

            if (block < levels - 1) rules.Add(Rules.Of($"input_blocks.{3 * (block + 1)}.0.op", $"down_blocks.{block}.downsamplers.0.conv"));
        }

        for (int resnet = 0; resnet < 2; resnet++) rules.AddRange(Under($"middle_block.{2 * resnet}.", $"mid_block.resnets.{resnet}.", Resnet));
        rules.AddRange(Under("middle_block.1.", "mid_block.attentions.0.", transformer));
        for (int block = 0; block < levels; block++)
        {
            bool hasAttention = attentive[levels - 1 - block];
            for (int layer = 0; layer < UpLayers; layer++)
            {
                string output = $"output_blocks.{(3 * block) + layer}.";
                rules.AddRange(Under(output + "0.", $"up_blocks.{block}.resnets.{layer}.", Resnet));
                if (hasAttention) rules.AddRange(Under(output + "1.", $"up_blocks.{block}.attentions.{layer}.", transformer));
            }

            // It comes after the attention, where there is one.
            if (block < levels - 1) rules.Add(Rules.Of($"output_blocks.{(3 * block) + 2}.{(hasAttention ? 2 : 1)}.conv", $"up_blocks.{block}.upsamplers.0.conv"));
        }

        return new NameMap(rules);
    }

    private static IEnumerable<NameRule> Transformer(string depth) =>
    [
        Same("norm"), Same("proj_in"), Same("proj_out"),
        .. from leaf in (string[])["attn1", "attn2"]
           from projection in (string[])["to_q", "to_k", "to_v", "to_out.0"]
           select Same($"transformer_blocks.{depth}.{leaf}.{projection}"),
        .. ((string[])["ff.net.0.proj", "ff.net.2", "norm1", "norm2", "norm3"]).Select(leaf => Same($"transformer_blocks.{depth}.{leaf}")),
    ];
}
