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
        double outputs = Outputs(blocks);
        if (IsSdScripts(module.Name)) return new(alpha * outputs, true);
        return alpha > 0 ? new(alpha * outputs, false) : null;
    }

    /// <summary>The name alone tells how the constraint is applied.</summary>
    public static string? NameLimit(OutputRotationDelta update) => update.Limit is { } limit && limit.IsAlways != IsSdScripts(update.Target.Module)
        ? $"turns within a limit as {(limit.IsAlways ? $"only names that begin with {SdScripts} say" : $"no name that begins with {SdScripts} says")} it"
        : null;

    public static void Write(OutputRotationDelta update, KohyaModule module)
    {
        module.Add(Blocks, update.Blocks);
        if (update.Rescale is { } rescale) module.Add(Rescale, rescale);
        double outputs = Outputs(update.Blocks);
        if (update.AlphaTensor is { } stated && (update.Limit is null || KohyaAlpha.Read(update.Target.Module, stated) * outputs == update.Limit.Norm)) module.Add(KohyaKey.Alpha, stated);
        else if (update.Limit is { } limit) module.Add(KohyaKey.Alpha, KohyaAlpha.Of(limit.Norm / outputs, KohyaKey.Alpha).Tensor);
    }

    private static double Outputs(TensorValue blocks) => (double)blocks.Shape.Sizes[^3] * blocks.Shape.Sizes[^2];

    private static bool IsSdScripts(ModuleName module) => module.Path.StartsWith(SdScripts, StringComparison.Ordinal);
}
