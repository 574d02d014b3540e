using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts.Factors;

namespace LoraKit.Formats.Layouts.Mlx;

/// <summary>What mlx-lm cannot say of an adapter.</summary>
internal static class MlxLimits
{
    public static IReadOnlyList<string> Of(Adapter adapter)
    {
        MlxModule[] modules = [.. adapter.Deltas.Select(MlxModule.Of).OfType<MlxModule>()];
        int dora = adapter.Deltas.Count(delta => delta is MagnitudeDelta);
        return
        [
            .. adapter.Deltas.Select(Limit).OfType<string>(),
            .. LayoutLimits.SeveralUpdates(adapter),
            .. MlxWriter.IsFull(adapter) ? [] : FactorLimits.Replacements(adapter),
            .. Unless(modules.Select(module => module.Scale).Distinct().Count() < 2, "modules differ in scale, and the layout has one for all"),
            .. Unless(modules.Select(module => module.Rank).Distinct().Count() < 2, "modules differ in rank, and the layout has one for all"),
            .. Unless(dora == 0 || dora == adapter.Deltas.Count, $"{dora} of {adapter.Deltas.Count} modules have the magnitudes of DoRA, and the layout has them for all or for none"),
            .. Unless(adapter.LayerReplication.Count == 0, "the layers of its base are replicated, and the names count the new ones"),
        ];
    }

    private static string? Limit(AdapterDelta delta)
    {
        string target = $"'{Printable.Text(delta.Target.Path)}'";
        AdapterDelta factors = delta is MagnitudeDelta { Inner: var inner } ? inner : delta;
        return factors switch
        {
            ExpertsDelta experts when !MlxExperts.IsOutIn(experts) => $"{target} is stored transposed in the base",
            ExpertsDelta when MlxKey.StackOf(new(MlxKey.NameOf(delta))) != delta.Target => $"{target} is no stack of experts that MLX has a name for (it has gate_proj, up_proj and down_proj by themselves)",
            ExpertsDelta { Target.Parameter: "gate_up_proj" } => $"{target} holds gate and up in one, and not as two halves",
            ExpertsDelta => null,
            _ when FactorLimits.Of(factors, takesEmbeddings: true) is { } limit => limit,
            _ when MlxModule.Of(delta) is null => factors.Shape is { Rank: 2 } ? $"{target} has magnitudes of DoRA that are none by output over the updated weight" : $"{target} has a kernel",
            { IsEmbedding: var isEmbedding } when isEmbedding != MlxKey.IsEmbedding(delta.Target.Module) => $"{target} {(isEmbedding ? "is an embedding" : "is none")}, and MLX's readers go by its name",
            _ => null,
        };
    }

    private static IReadOnlyList<string> Unless(bool isFine, string reason) => isFine ? [] : [reason];
}
