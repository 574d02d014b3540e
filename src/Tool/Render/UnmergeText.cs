using LoraKit.Ops.Unmerge;

namespace LoraKit.Tool.Render;

/// <summary>An unmerge for people: what would be done, and what was done.</summary>
internal static class UnmergeText
{
    public static void WritePlan(TextWriter output, UnmergePlan plan, bool everything)
    {
        PlanText.Line(output, "merged", plan.Options.Merged);
        PlanText.Line(output, "method", $"{Method(plan.Method)}: {Meaning(plan.Method)}");
        PlanText.Line(output, "out", plan.Options.Output);
        PlanText.SizeLine(output, plan.OutputBytes, plan.Shards, plan.OtherFiles);
        PlanText.Line(output, "tensors", $"{Words.Count(plan.TensorsTotal)}: {Words.Count(plan.TensorsRestored)} restored");
        PlanText.Files(output, plan.Shards, plan.OtherFiles, everything);
    }

    public static void WriteReport(TextWriter output, UnmergeReport report)
    {
        string exactness = report.Method switch
        {
            UnmergeMethod.Undo => $"the base's bytes ({Words.Count(report.ElementsRepaired, "element")} repaired)",
            UnmergeMethod.Base => "the base's bytes",
            _ => $"{Words.Count(report.MayDiffer, "element")} may differ from the base's",
        };
        output.WriteLine(TerminalText.Escape(
            $"unmerged into '{report.Output}': {Words.Count(report.TensorsTotal, "tensor")}, {Words.Count(report.TensorsRestored)} restored, {exactness}; "
            + $"{Words.Bytes(report.BytesWritten)} in {Words.Duration(report.Elapsed)}"));
    }

    /// <summary>The method as it is printed.</summary>
    public static string Method(UnmergeMethod method) => method switch
    {
        UnmergeMethod.Undo => "undo",
        UnmergeMethod.Adapter => "adapter",
        _ => "base",
    };

    private static string Meaning(UnmergeMethod method) => method switch
    {
        UnmergeMethod.Undo => "to the bit, by the record",
        UnmergeMethod.Adapter => "by subtracting; how many elements may differ is counted on the way",
        _ => "the base's bytes, compared with the merged model on the way",
    };
}
