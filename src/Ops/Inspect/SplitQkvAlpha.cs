using LoraKit.Formats.Adapters;
using LoraKit.Ops.Rescale;

namespace LoraKit.Ops.Inspect;

/// <summary>
/// Modules of FLUX that sd-scripts trained with <c>split_qkv</c>: their alpha is that of one of three or four parts, and every program takes it for that of all (sd-scripts issue 2204).
/// </summary>
internal static class SplitQkvAlpha
{
    private const string Kohya = "kohya";

    /// <summary>One issue for each module.</summary>
    public static IEnumerable<AdapterIssue> Find(Adapter adapter)
    {
        if (adapter.Layout != Kohya) return [];
        LowRankDelta[] modules = [.. adapter.Deltas.OfType<LowRankDelta>()];
        Func<LowRankDelta, int?> partsOf = SplitQkv.Find(modules);
        return from module in modules
               let parts = partsOf(module)
               where parts is not null
               select new AdapterIssue("split_qkv_alpha", IssueSeverity.Warning,
                   $"trained with split_qkv and saved with the alpha of one of {parts} parts: every program applies 1/{parts} of what was trained (rescale --fix-split-qkv mends it)", module.Target.Module.Path);
    }
}
