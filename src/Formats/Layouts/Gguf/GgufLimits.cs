using LoraKit.Formats.Adapters;
using LoraKit.Formats.Checkpoints;
using LoraKit.Formats.Files;
using LoraKit.Formats.Gguf;
using LoraKit.Formats.Layouts.Factors;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Gguf;

/// <summary>What llama.cpp's loader would refuse, or pass over without a word.</summary>
internal static class GgufLimits
{
    public static IReadOnlyList<string> Of(Adapter adapter)
    {
        LowRankDelta[] modules = [.. adapter.Deltas.OfType<LowRankDelta>()];
        BaseFacts facts = GgufHeads.Facts(adapter.Base, adapter.Metadata);
        float alpha = GgufAlpha.Of(modules);
        return
        [
            .. FactorLimits.Of(adapter, takesEmbeddings: true), .. FactorLimits.Replacements(adapter),
            .. adapter.Deltas.OfType<ExpertsDelta>().Any()
                ? ["a fused stack of experts is divided by the sizes in the base's configuration (--base); those of gpt-oss, and where they fit two ways, are not"] : (string[])[],
            .. modules.Where(module => module.Down.Shape.Rank != 2 || module.Up.Shape.Rank != 2).Select(module => $"{Show(module)} has a kernel"),
            .. modules.Where(module => StoredType(module.Down) is null || StoredType(module.Up) is null)
                .Select(module => $"{Show(module)} is stored as {module.Down.DType.FileName()} and {module.Up.DType.FileName()}, and llama.cpp multiplies by F32, F16 and BF16"),
            .. modules.All(module => GgufAlpha.Is(module, alpha)) ? (string[])[] : ["modules differ in alpha (scale × rank), and the file has one for all"],
            .. GgufArchitecture.Named(facts.Architecture) is { } architecture
                ? Named(modules, architecture, facts)
                : [Unknown(facts.Architecture)],
        ];
    }

    /// <summary>The type that a factor is written in: its own, F64 rounded to F32; null where there is none.</summary>
    public static GgmlType? StoredType(TensorValue factor) => factor.DType switch
    {
        DType.F64 => GgmlType.Of(DType.F32),
        DType.F32 or DType.F16 or DType.BF16 => GgmlType.Of(factor.DType),
        _ => null,
    };

    private static IEnumerable<string> Named(LowRankDelta[] modules, GgufArchitecture architecture, BaseFacts facts)
    {
        bool needsHeads = false;
        Dictionary<string, List<(int Expert, LowRankDelta Module)>> stacks = [];
        foreach (LowRankDelta module in modules)
        {
            if (architecture.ToGguf(module.Target.Module.Path) is not { } place)
            {
                yield return $"{Show(module)} is no module of {architecture.Name} that GGUF has a name for";
                continue;
            }

            if (place.Name == GgufKey.Output && facts.TiesWordEmbeddings == true) yield return $"{Show(module)} is the base's embedding, and GGUF has no tensor for it";
            if ((place.Name == GgufKey.Embedding) != module.IsEmbedding) yield return $"{Show(module)} {(module.IsEmbedding ? "is an embedding" : "is none")}, and llama.cpp goes by its name";
            if (place.Expert is { } expert)
            {
                if (!stacks.TryGetValue(place.Name, out var stack)) stacks.Add(place.Name, stack = []);
                stack.Add((expert, module));
            }

            if (!GgufHeads.Concern(architecture, place.Name)) continue;
            if (GgufHeads.Of(facts, place.Name) is not { } heads) needsHeads = true;
            else if (!HeadRows.Fits(module.Up.Shape, heads)) yield return $"{Show(module)} has {module.OutFeatures} rows, which are no {heads} heads of an even number";
        }

        if (needsHeads) yield return GgufHeads.Missing;
        foreach (string reason in stacks.Values.Select(stack => Stack(stack, facts.Experts)).OfType<string>()) yield return reason;
    }

    private static string? Stack(List<(int Expert, LowRankDelta Module)> stack, long? experts)
    {
        LowRankDelta first = stack[0].Module;
        long count = experts ?? stack.Count;
        if (stack.Count != count || stack.Select(part => part.Expert).Distinct().Count() != count || stack.Max(part => part.Expert) >= count)
            return $"{Show(first)} and its like are {stack.Count} experts with numbers up to {stack.Max(part => part.Expert)}; expected all {(experts is null ? "of them" : experts)}, for they are one tensor";
        return stack.All(part => (part.Module.Down.Shape, part.Module.Up.Shape) == (first.Down.Shape, first.Up.Shape))
            ? null
            : $"{Show(first)} and its like differ in shape or rank, and they are one tensor";
    }

    private static string Unknown(string? architecture) => architecture is null
        ? $"the base's architecture is not known; name its folder or config.json with --base, or one of {GgufArchitecture.Names} with --arch"
        : $"the architecture '{Printable.Text(architecture)}' has no names in GGUF that are known; known are {GgufArchitecture.Names}";

    private static string Show(LowRankDelta module) => $"'{Printable.Text(module.Target.Path)}'";
}
