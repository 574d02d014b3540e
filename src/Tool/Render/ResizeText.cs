using LoraKit.Ops.Resize;

namespace LoraKit.Tool.Render;

/// <summary>A resize for people.</summary>
internal static class ResizeText
{
    public static void Write(TextWriter output, ResizePlan plan, ResizeReport? report, bool everything)
    {
        if (everything || report is null) WriteModules(output, plan, everything);
        int kept = plan.Modules.Count(m => m.RankBefore == m.RankAfter);
        string unchanged = kept > 0 ? $", {Words.Count(kept)} as they were" : "";
        string sizes = $"{Words.Bytes(plan.BytesBefore)} to {Words.Bytes(report?.BytesAfter ?? plan.BytesAfter)}";
        string done = report is null ? $"would resize into '{plan.Options.Output.Path}'" : $"resized into '{report.Output}'";
        string time = report is null ? "" : $", in {Words.Duration(report.Elapsed)}";
        output.WriteLine(TerminalText.Escape(
            $"{done}: {Words.Count(plan.Modules.Count, "module")}{unchanged}, rank {Ranks(plan.Modules.Select(m => m.RankBefore))} to {Ranks(plan.Modules.Select(m => m.RankAfter))}, "
            + $"{sizes}, relative error {Words.Number(plan.RelativeError)}{time}"));
    }

    private static void WriteModules(TextWriter output, ResizePlan plan, bool everything)
    {
        if (everything)
        {
            TextTable table = new("module", ">rank", ">new", ">energy", ">error");
            foreach (ResizedModule module in plan.Modules)
            {
                table.Add(module.Name, Words.Count(module.RankBefore), Words.Count(module.RankAfter), Words.Number(module.EnergyKept), Words.Number(module.RelativeError));
            }

            table.Write(output);
            return;
        }

        TextTable groups = new(">modules", ">rank", ">new", ">largest error");
        foreach (var group in plan.Modules.GroupBy(m => (m.RankBefore, m.RankAfter)).OrderByDescending(g => g.Key))
        {
            groups.Add(Words.Count(group.Count()), Words.Count(group.Key.RankBefore), Words.Count(group.Key.RankAfter), Words.Number(group.Max(m => m.RelativeError)));
        }

        groups.Write(output);
    }

    private static string Ranks(IEnumerable<long> ranks)
    {
        (long least, long most) = (ranks.Min(), ranks.Max());
        return least == most ? Words.Count(least) : $"{Words.Count(least)}–{Words.Count(most)}";
    }
}
