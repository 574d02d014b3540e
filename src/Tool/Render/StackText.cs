using LoraKit.Ops.Stack;

namespace LoraKit.Tool.Render;

/// <summary>A stack for people: what would be done, and what was done.</summary>
internal static class StackText
{
    public static void WritePlan(TextWriter output, StackPlan plan, bool everything)
    {
        foreach (StackInput input in plan.Inputs)
        {
            PlanText.AdapterLine(output, input.Path, input.Weight, input.Layout, input.Modules);
        }

        PlanText.Line(output, "method", plan.Options.Method);
        PlanText.Line(output, "out", plan.Options.Output.Path);
        PlanText.Line(output, "memory", $"{Words.Bytes(plan.LargestModuleBytes)} for the largest module, {Words.Count(plan.Threads)} at once");
        Table(output, everything, "rank at most", plan.Modules.Select(m => (m.Name, m.Ranks, (long)m.RankAtMost, (double?)null)));
    }

    public static void WriteReport(TextWriter output, StackReport report, bool everything)
    {
        if (everything) Table(output, everything, "rank", report.Modules.Select(m => (m.Name, m.Ranks, m.RankAfter, m.RelativeError)));
        string error = report.RelativeError is { } value ? $", relative error {Words.Number(value)}" : "";
        output.WriteLine(TerminalText.Escape(
            $"stacked into '{report.Output}': {Words.Count(report.Modules.Count, "module")}{error}, {Words.Bytes(report.BytesWritten)} in {Words.Duration(report.Elapsed)}"));
    }

    private static void Table(
        TextWriter output, bool everything, string rank, IEnumerable<(string Name, IReadOnlyList<long> Ranks, long Rank, double? Error)> modules)
    {
        if (everything)
        {
            TextTable table = new("module", ">ranks", $">{rank}", ">relative error");
            foreach ((string name, IReadOnlyList<long> ranks, long after, double? error) in modules)
            {
                table.Add(name, string.Join(", ", ranks), Words.Count(after), Words.Number(error));
            }

            table.Write(output);
            return;
        }

        TextTable groups = new(">modules", ">ranks", $">{rank}");
        foreach (var group in modules.GroupBy(m => (Ranks: string.Join(", ", m.Ranks), m.Rank)))
        {
            groups.Add(Words.Count(group.Count()), group.Key.Ranks, Words.Count(group.Key.Rank));
        }

        groups.Write(output);
    }
}
