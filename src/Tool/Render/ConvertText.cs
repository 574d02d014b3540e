using LoraKit.Ops.Conversion;

namespace LoraKit.Tool.Render;

/// <summary>A conversion for people: what would be done, or was.</summary>
internal static class ConvertText
{
    public static void Write(TextWriter output, ConvertPlan plan, ConvertReport? report, bool everything)
    {
        IReadOnlyList<ConvertedModule> modules = report?.Modules ?? plan.Modules;
        if (everything)
        {
            WriteModules(output, modules);
            WriteNames(output, report?.Written ?? plan.Written);
        }
        else if (modules.Count > 0) WriteGroups(output, modules);
        string what = $"'{plan.Options.Adapter.Path}' ({plan.Layout}) into '{plan.Options.Output.Path}' ({plan.Options.Layout}): {Words.Count(modules.Count, "update")}";
        output.WriteLine(TerminalText.Escape(report is null
            ? $"would convert {what}"
            : $"converted {what}{Besides(report)}, relative error {Words.Number(report.RelativeError)}, {Words.Bytes(report.BytesWritten)} in {Words.Duration(report.Elapsed)}"));
    }

    private static void WriteModules(TextWriter output, IReadOnlyList<ConvertedModule> modules)
    {
        TextTable table = new("update", "kind", "becomes", ">rank", ">relative error", ">σ first", ">σ last");
        foreach (ConvertedModule module in modules)
        {
            table.Add(
                module.Name, module.Kind, Word(module.Form), module.Rank is { } rank ? Words.Count(rank) : "–", Words.Number(module.RelativeError),
                Words.Number(module.LargestSingularValue), Words.Number(module.SmallestSingularValue));
        }

        table.Write(output);
    }

    /// <summary>What is renamed, divided and fused.</summary>
    private static void WriteNames(TextWriter output, IReadOnlyList<WrittenModule> modules)
    {
        TextTable table = new("module", "written as");
        foreach (WrittenModule module in modules.Where(module => module.From is not [var same] || same != module.Name))
        {
            table.Add(string.Join(" + ", module.From), module.Name);
        }

        if (modules.Any(module => module.From is not [var same] || same != module.Name)) table.Write(output);
    }

    private static string Besides(ConvertReport report)
    {
        string folded = report.Folded > 0 ? $", {Words.Count(report.Folded)} folded" : "";
        return report.Flushed + report.Subnormal == 0 ? folded : $"{folded}, {Words.Count(report.Flushed, "value")} flushed to 0, {Words.Count(report.Subnormal)} subnormal";
    }

    private static void WriteGroups(TextWriter output, IReadOnlyList<ConvertedModule> modules)
    {
        TextTable table = new(">updates", "kind", "becomes", ">rank", ">largest error");
        foreach (var group in modules.GroupBy(m => (m.Kind, m.Form)))
        {
            table.Add(Words.Count(group.Count()), group.Key.Kind, Word(group.Key.Form), Ranks([.. group.Select(m => m.Rank).OfType<long>()]), Words.Number(group.Max(m => m.RelativeError)));
        }

        table.Write(output);
    }

    private static string Word(ConvertedForm form) => form switch
    {
        ConvertedForm.Kept => "as it is",
        ConvertedForm.Exact => "LoRA, exactly",
        ConvertedForm.Truncated => "LoRA, nearest",
        ConvertedForm.Bias => "lora_bias",
        _ => "new value",
    };

    private static string Ranks(IReadOnlyList<long> ranks) => ranks switch
    {
        [] => "–",
        _ when ranks.Min() == ranks.Max() => Words.Count(ranks[0]),
        _ => $"{Words.Count(ranks.Min())}–{Words.Count(ranks.Max())}",
    };
}
