using System.Globalization;
using LoraKit.Ops.Diff;

namespace LoraKit.Tool.Render;

/// <summary>A comparison for people: what differs most comes first.</summary>
internal static class DiffText
{
    private const int MostShown = 20;

    public static void Write(TextWriter output, DiffReport report, bool everything)
    {
        // What cannot be measured is worst.
        List<TensorDifference> shown =
        [
            .. report.Tensors.Where(t => everything || t.Status != DiffStatus.Equal).OrderByDescending(t => t.Relative ?? double.PositiveInfinity),
        ];
        int left = everything ? 0 : Math.Max(0, shown.Count - MostShown);
        if (shown.Count > 0) WriteTable(output, report, [.. shown.Take(shown.Count - left)]);
        if (left > 0) output.WriteLine(Words.More(left));
        if (everything) WriteHistogram(output, report);
        string things = report.IsOfAdapters ? "update" : "tensor";
        output.WriteLine(report.Equal
            ? $"equal: {Words.Count(report.Tensors.Count, things)}"
            : $"{Words.Count(report.Tensors.Count(t => t.Status != DiffStatus.Equal))} of {Words.Count(report.Tensors.Count, things)} differ; relative {Words.Number(report.Relative)}, at most {Words.Number(report.MaxAbs)}");
    }

    /// <summary>The status as it is printed.</summary>
    public static string Status(DiffStatus status) => status switch
    {
        DiffStatus.Equal => "equal",
        DiffStatus.Different => "different",
        DiffStatus.DType => "dtype",
        DiffStatus.Shape => "shape",
        DiffStatus.OnlyInA => "onlyInA",
        _ => "onlyInB",
    };

    private static void WriteTable(TextWriter output, DiffReport report, IReadOnlyList<TensorDifference> shown)
    {
        TextTable table = new(report.IsOfAdapters ? "update" : "tensor", "status", ">relative", ">max abs", ">max ulp", ">cosine", ">differing", ">of");
        foreach (TensorDifference tensor in shown)
        {
            string status = tensor.Detail is null ? Status(tensor.Status) : $"{Status(tensor.Status)}: {tensor.Detail}";
            table.Add(
                tensor.Name, status, Words.Number(tensor.Relative), Words.Number(tensor.MaxAbs), tensor.MaxUlp?.ToString("N0", CultureInfo.InvariantCulture) ?? "–",
                Words.Number(tensor.Cosine), Words.Count(tensor.Differing), Words.Count(tensor.Count));
        }

        table.Write(output);
    }

    private static void WriteHistogram(TextWriter output, DiffReport report)
    {
        SortedDictionary<ulong, long> all = [];
        foreach ((ulong upTo, long count) in report.Tensors.SelectMany(t => t.UlpHistogram))
        {
            all[upTo] = all.GetValueOrDefault(upTo) + count;
        }

        if (all.Count == 0) return;
        TextTable table = new(">ulp up to", ">elements");
        foreach ((ulong upTo, long count) in all)
        {
            table.Add(upTo.ToString("N0", CultureInfo.InvariantCulture), Words.Count(count));
        }

        output.WriteLine();
        table.Write(output);
        output.WriteLine();
    }
}
