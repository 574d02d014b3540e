using System.Globalization;
using LoraKit.Formats.Adapters;
using LoraKit.Ops.Inspect;

namespace LoraKit.Tool.Render;

/// <summary>An inspection for people: a summary, then modules of one kind, shape and rank in one row.</summary>
internal static class InspectText
{
    public static void Write(TextWriter output, AdapterInspection inspection, bool everything)
    {
        WriteSummary(output, inspection);
        if (inspection.Modules.Count > 0) WriteModules(output, inspection.Modules, everything);
        if (inspection.Extras.Count > 0) WriteExtras(output, inspection.Extras, everything);
        if (everything && inspection.Metadata.Count > 0) WriteMetadata(output, inspection.Metadata);
        if (inspection.Hashes is { } hashes) WriteHashes(output, hashes);
        if (inspection.Issues.Count > 0) WriteIssues(output, inspection.Issues, everything);
        if (inspection.Findings is { Count: > 0 } findings) WriteIssues(output, findings, everything);
    }

    private static void WriteSummary(TextWriter output, AdapterInspection inspection)
    {
        Line(output, "path", inspection.Path);
        Line(output, "layout", inspection.Layout is null ? inspection.Container : $"{inspection.Layout} in {inspection.Container}");
        Line(output, "family", inspection.Family);
        Line(output, "architecture", inspection.Architecture);
        Line(output, "base model", inspection.BaseModel);
        Line(output, "size", string.Join(", ",
            new[] { Words.Bytes(inspection.Bytes), inspection.DType, $"{Words.Count(inspection.ParameterCount)} parameters" }.OfType<string>()));
        if (inspection.Modules.Count == 0) return;
        string ranks = string.Join(", ", inspection.Ranks.Select(r =>
            inspection.Ranks.Count == 1 ? $"rank {r.Key}" : string.Create(CultureInfo.InvariantCulture, $"{r.Value} × rank {r.Key}")));
        Line(output, "modules", ranks.Length == 0 ? Words.Count(inspection.ModuleCount) : $"{Words.Count(inspection.ModuleCount)}, {ranks}");
    }

    private static void WriteModules(TextWriter output, IReadOnlyList<InspectedModule> modules, bool everything)
    {
        output.WriteLine();
        TextTable table = new(everything ? "module" : ">modules", "kind", "shape", ">rank", ">alpha", ">scale", "dtype");
        if (everything)
        {
            foreach (InspectedModule module in modules)
            {
                Add(table, module.Name, module);
            }
        }
        else
        {
            // Keys of text: a tuple of values would be compiled anew at every start.
            foreach (IGrouping<string, InspectedModule> group in modules.GroupBy(m => string.Join('\t', Cells(m))))
            {
                Add(table, Words.Count(group.Count()), group.First());
            }
        }

        table.Write(output);
    }

    private static void Add(TextTable table, string first, InspectedModule module) => table.Add([first, .. Cells(module)]);

    private static string[] Cells(InspectedModule module) =>
    [
        module.Dora ? $"{module.Kind}+dora" : module.Kind, module.Shape.ToString(), module.Rank?.ToString(CultureInfo.InvariantCulture) ?? "–",
        Words.Number(module.Alpha), Words.Number(module.Scale), module.DType,
    ];

    private static void WriteExtras(TextWriter output, IReadOnlyList<InspectedTensor> extras, bool everything)
    {
        output.WriteLine();
        TextTable table = new(everything ? "tensor" : ">tensors", "kind", "shape", "dtype");
        if (everything)
        {
            foreach (InspectedTensor extra in extras)
            {
                table.Add(extra.Name, extra.Kind, extra.Shape.ToString(), extra.DType);
            }
        }
        else
        {
            foreach (IGrouping<string, InspectedTensor> group in extras.GroupBy(e => $"{e.Kind}\t{e.Shape}\t{e.DType}"))
            {
                InspectedTensor first = group.First();
                table.Add(Words.Count(group.Count()), first.Kind, first.Shape.ToString(), first.DType);
            }
        }

        table.Write(output);
    }

    private static void WriteMetadata(TextWriter output, IReadOnlyDictionary<string, string> metadata)
    {
        output.WriteLine();
        TextTable table = new("metadata", "value");
        foreach ((string key, string value) in metadata)
        {
            table.Add(key, value);
        }

        table.Write(output);
    }

    private static void WriteHashes(TextWriter output, FileHashes hashes)
    {
        output.WriteLine();
        Line(output, "sha256", hashes.Sha256);
        Line(output, "xxh128", hashes.XxHash128);
        if (hashes.SshsModelHash is { } model) Line(output, "sshs_model_hash", model);
        if (hashes.SshsLegacyHash is { } legacy) Line(output, "sshs_legacy_hash", legacy);
    }

    private static void WriteIssues(TextWriter output, IReadOnlyList<AdapterIssue> issues, bool everything)
    {
        output.WriteLine();
        foreach (IGrouping<string, AdapterIssue> group in issues.GroupBy(i => $"{Severity(i.Severity)} ({i.Code}): {i.Message}"))
        {
            List<string> places = [.. group.Select(IssuePlace.Of).OfType<string>()];
            string where = places.Count == 0 ? ""
                : everything || places.Count <= 2 ? $": {string.Join(", ", places)}"
                : $": {places[0]} and {places.Count - 1} more";
            output.WriteLine(TerminalText.Escape(group.Key + where));
        }
    }

    /// <summary>The severity as it is printed.</summary>
    public static string Severity(IssueSeverity severity) => severity == IssueSeverity.Warning ? "warning" : "info";

    private static void Line(TextWriter output, string label, string? value)
    {
        if (value is not null) output.WriteLine($"{label,-16}  {TerminalText.Escape(value)}");
    }
}
