using LoraKit.Ops.Rescale;

namespace LoraKit.Tool.Render;

/// <summary>A rescale for people: what would be done, and what was done.</summary>
internal static class RescaleText
{
    public static void Write(TextWriter output, RescalePlan plan, RescaleReport? report, bool everything)
    {
        if (everything || report is null) WriteModules(output, plan, everything);
        string fixedModules = plan.Options.FixSplitQkv ? $", {Words.Count(plan.Modules.Count(m => m.SplitQkv is not null))} trained with split_qkv" : "";
        string norm = plan.NormBefore is { } before ? $", norm {Words.Number(before)} to {Words.Number(plan.NormAfter)}" : "";
        string size = report is null ? "" : $", {Words.Bytes(report.BytesWritten)}";
        string done = report is null ? $"would rescale into '{plan.Options.Output.Path}'" : $"rescaled into '{report.Output}'";
        output.WriteLine(TerminalText.Escape(
            $"{done}: {Words.Count(plan.Modules.Count(m => m.ScaleAfter != m.ScaleBefore))} of {Words.Count(plan.Modules.Count, "scale")} changed{fixedModules}{norm}{size}"));
    }

    private static void WriteModules(TextWriter output, RescalePlan plan, bool everything)
    {
        TextTable table = new(everything ? "module" : ">modules", ">scale", ">new", "");
        if (everything)
        {
            foreach (RescaledModule module in plan.Modules)
            {
                Add(table, module.Name, module);
            }
        }
        else
        {
            foreach (var group in plan.Modules.GroupBy(m => (m.ScaleBefore, m.ScaleAfter, m.SplitQkv)))
            {
                Add(table, Words.Count(group.Count()), group.First());
            }
        }

        table.Write(output);
    }

    private static void Add(TextTable table, string first, RescaledModule module) => table.Add(
        first, Words.Number(module.ScaleBefore), Words.Number(module.ScaleAfter), module.SplitQkv is { } parts ? $"split_qkv × {parts}" : "");
}
