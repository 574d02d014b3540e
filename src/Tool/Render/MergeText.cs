using LoraKit.Ops.Merge;

namespace LoraKit.Tool.Render;

/// <summary>A merge for people: what would be done, and what was done.</summary>
internal static class MergeText
{
    public static void WritePlan(TextWriter output, MergePlan plan, bool everything)
    {
        PlanText.Line(output, "base", plan.Options.Base);
        foreach (MergeAdapter adapter in plan.Adapters)
        {
            PlanText.AdapterLine(output, adapter.Path, adapter.Weight, adapter.Layout, adapter.Modules);
        }

        PlanText.Line(output, "out", plan.Options.Output);
        if (plan.Options.UndoRecord is { } undo) PlanText.Line(output, "undo", undo);
        PlanText.SizeLine(output, plan.OutputBytes, plan.Shards, plan.OtherFiles);
        PlanText.Line(output, "tensors",
            $"{Words.Count(plan.Tensors.Count)}: {Count(plan, TensorAction.Change)} change, {Count(plan, TensorAction.Cast)} cast, {Count(plan, TensorAction.Copy)} copied");
        WriteTensors(output, plan, everything);
        PlanText.Files(output, plan.Shards, plan.OtherFiles, everything);
    }

    public static void WriteReport(TextWriter output, MergeReport report)
    {
        output.WriteLine(TerminalText.Escape(
            $"merged into '{report.Output}': {Words.Count(report.TensorsTotal, "tensor")}, {Words.Count(report.TensorsChanged)} changed, "
            + $"{Words.Bytes(report.BytesWritten)} in {Words.Duration(report.Elapsed)}"));
        if (report.RequantisationChange is { } change)
        {
            output.WriteLine(TerminalText.Escape(
                $"rounded to Q8_0 again: {Words.Count(report.TensorsRequantised, "tensor")}, which changed the most by {Words.Number(Math.Round(100 * change, 3))} % of its norm"));
        }

        if (report.Undo is not { } undo) return;
        double share = 100.0 * undo.Bytes / Math.Max(undo.ChangedBytes, 1);
        output.WriteLine(TerminalText.Escape(
            $"undo record '{undo.Path}': {Words.Bytes(undo.Bytes)}, {Words.Number(Math.Round(share, 2))} % of what changed, {Words.Count(undo.Repaired, "element")} to repair"));
    }

    private static void WriteTensors(TextWriter output, MergePlan plan, bool everything)
    {
        List<PlannedTensor> shown = [.. plan.Tensors.Where(t => everything || t.Action != TensorAction.Copy)];
        if (shown.Count == 0) return;
        output.WriteLine();
        if (everything)
        {
            TextTable table = new("tensor", "action", "dtype", "shape", "file", "updates");
            foreach (PlannedTensor tensor in shown)
            {
                table.Add(tensor.Name, Action(tensor.Action), tensor.TypeName, tensor.Shape.ToString(), tensor.File, string.Join(", ", tensor.Updates));
            }

            table.Write(output);
            return;
        }

        TextTable groups = new(">tensors", "action", "dtype", "shape", "updates");
        foreach (var group in shown.GroupBy(t => (t.Action, t.TypeName, t.Shape, Updates: string.Join(", ", t.Updates))))
        {
            groups.Add(
                Words.Count(group.Count()), Action(group.Key.Action), group.Key.TypeName, group.Key.Shape.ToString(), group.Key.Updates);
        }

        groups.Write(output);
    }

    /// <summary>The action as it is printed.</summary>
    public static string Action(TensorAction action) => action switch
    {
        TensorAction.Copy => "copy",
        TensorAction.Cast => "cast",
        _ => "change",
    };

    private static string Count(MergePlan plan, TensorAction action) => Words.Count(plan.Tensors.Count(t => t.Action == action));
}
