using LoraKit.Formats.Layouts.Names;
using LoraKit.Formats.Layouts.Names.Architectures;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Layouts.Names;

/// <summary>The architectures stand in one table of the specification, generated from them.</summary>
public sealed class ArchitectureTableTests
{
    private const string Begin = "<!-- architectures -->", End = "<!-- /architectures -->";

    [Fact]
    public void The_table_is_the_code_s()
    {
        string table = string.Join('\n',
        [
            "", "| name | parts, with sd-scripts' prefixes | weights | stated as |", "|---|---|---|---|",
            .. ArchitectureList.All.OrderBy(architecture => architecture.Name, StringComparer.Ordinal).Select(Row), "",
        ]);
        string page = File.ReadAllText(Path.Combine(Paths.Repository, "spec", "layouts", "names.md"));
        Assert.Equal(table, page[(page.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length)..page.IndexOf(End, StringComparison.Ordinal)]);
    }

    private static string Row(Architecture architecture)
    {
        string parts = string.Join(", ", architecture.Parts.Select(part => part.Spellings.TryGetValue("kohya", out PartSpelling? spelling) ? $"{part.Name} `{spelling.Prefix}`" : part.Name));
        string stated = string.Join(", ", architecture.BaseModelVersions.Concat(architecture.ModelSpecs).Distinct(StringComparer.OrdinalIgnoreCase).Select(name => $"`{name}`"));
        return $"| `{architecture.Name}` | {parts} | {architecture.Parts.Sum(part => part.Map.Rules.Count)} | {stated} |";
    }
}
