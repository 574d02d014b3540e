using LoraKit.Ops.Extract;

namespace LoraKit.Tool.Render;

/// <summary>An extraction for people: what would be done, and what was done.</summary>
internal static class ExtractText
{
    public static void WritePlan(TextWriter output, ExtractPlan plan, bool everything)
    {
        output.WriteLine(TerminalText.Escape(
            $"would extract '{plan.Options.Tuned}' − '{plan.Options.Base}' into '{plan.Options.Output.Path}': {Words.Count(plan.Modules.Count, "module")}, "
            + $"{Words.Count(plan.Full.Count)} carried in full, {Words.Count(plan.Skipped)} unchanged, {Words.Count(plan.LeftOut.Count)} left out"));
        if (!everything) return;
        TextTable table = new("tensor", "becomes");
        foreach (string name in plan.Modules) table.Add(name, "low-rank update");
        foreach (string name in plan.Full) table.Add(name, "carried in full");
        foreach (string name in plan.LeftOut) table.Add(name, "left out");
        table.Write(output);
    }

    public static void WriteReport(TextWriter output, ExtractPlan plan, ExtractReport report, bool everything)
    {
        if (everything)
        {
            TextTable table = new("module", ">rank", ">energy kept", ">relative error");
            foreach (ExtractedModule module in report.Modules) table.Add(module.Name, Words.Count(module.Rank), Words.Number(module.EnergyKept), Words.Number(module.RelativeError));
            table.Write(output);
        }

        output.WriteLine(TerminalText.Escape(
            $"extracted into '{report.Output}': {Words.Count(report.Modules.Count, "module")}, {Ranks(report.Modules)}relative error {Words.Number(report.RelativeError)}, "
            + $"{Words.Count(plan.Full.Count)} carried in full, {Words.Bytes(report.BytesWritten)} in {Words.Duration(report.Elapsed)}"));
    }

    private static string Ranks(IReadOnlyList<ExtractedModule> modules)
    {
        if (modules.Count == 0) return "";
        (int low, int high) = (modules.Min(m => m.Rank), modules.Max(m => m.Rank));
        return low == high ? $"rank {low}, " : $"ranks {low} to {high}, ";
    }
}
