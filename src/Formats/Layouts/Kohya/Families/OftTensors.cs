using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Kohya.Families;

/// <summary>The tensors that Diag-OFT and BOFT share.</summary>
internal static class OftTensors
{
    public const string Blocks = "oft_blocks";
    public const string Rescale = "rescale";

    // sd-scripts' own OFT, which clamps always; LyCORIS clamps only where alpha is above 0.
    private const string SdScripts = "oft_unet_";

    public static TensorValue? RescaleOf(KohyaTensors module) => module.Has(Rescale) ? module.Require(Rescale) : null;

    /// <summary>The constraint: alpha times the outputs.</summary>
    public static OrthogonalLimit? LimitOf(KohyaTensors module, TensorValue blocks)
    {
        if (blocks.Shape.Rank < 3 || module.Number(KohyaKey.Alpha) is not { } alpha) return null;
        double outputs = (double)blocks.Shape.Sizes[^3] * blocks.Shape.Sizes[^2];
        if (module.Name.Path.StartsWith(SdScripts, StringComparison.Ordinal)) return new(alpha * outputs, true);
        return alpha > 0 ? new(alpha * outputs, false) : null;
    }
}
