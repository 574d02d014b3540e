using LoraKit.Ops.Merge;

namespace LoraKit.Tool.Render;

/// <summary>What the plans of several commands have in common: lines of a label and a value, and the files of a model.</summary>
internal static class PlanText
{
    public static void Line(TextWriter output, string label, string value) => output.WriteLine($"{label,-8}  {TerminalText.Escape(value)}");

    public static void AdapterLine(TextWriter output, string path, double weight, string layout, int modules) =>
        Line(output, "adapter", $"{path} × {Words.Number(weight)} ({layout}, {Words.Count(modules, "module")})");

    public static void SizeLine(TextWriter output, long bytes, IReadOnlyList<PlannedFile> shards, IReadOnlyList<string> otherFiles) =>
        Line(output, "size", $"{Words.Bytes(bytes)} in {Words.Count(shards.Count, "tensor file")}, {Words.Count(otherFiles.Count, "other file")}");

    public static void Files(TextWriter output, IReadOnlyList<PlannedFile> shards, IReadOnlyList<string> otherFiles, bool everything)
    {
        output.WriteLine();
        TextTable table = new("file", ">size", ">tensors");
        foreach (PlannedFile shard in shards)
        {
            table.Add(shard.RelativePath, Words.Bytes(shard.Bytes), Words.Count(shard.Tensors));
        }

        if (everything)
        {
            foreach (string file in otherFiles)
            {
                table.Add(file, "", "");
            }
        }

        table.Write(output);
    }
}
