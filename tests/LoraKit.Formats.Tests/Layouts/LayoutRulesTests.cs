using LoraKit.Formats.Layouts;
using LoraKit.Tests;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>What layouts cannot say stands in one table, generated from them.</summary>
public sealed class LayoutRulesTests
{
    private const string Begin = "<!-- limits -->", End = "<!-- /limits -->";

    [Fact]
    public void The_table_is_the_code_s()
    {
        string table = string.Join('\n',
        [
            "", "| layout | what it cannot say, and what becomes of it |", "|---|---|",
            .. AdapterLayouts.All.OrderBy(layout => layout.Name, StringComparer.Ordinal).Select(layout => $"| [`{layout.Name}`](spec/layouts/{layout.Name}.md) | {string.Join("<br>", layout.Rules)} |"), "",
        ]);
        string page = File.ReadAllText(Path.Combine(Paths.Repository, "README.md"));
        Assert.Equal(table, page[(page.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length)..page.IndexOf(End, StringComparison.Ordinal)]);
    }

    [Fact]
    public void Every_layout_has_rules_and_a_page()
    {
        Assert.All(AdapterLayouts.All, layout =>
        {
            Assert.NotEmpty(layout.Rules);
            Assert.True(File.Exists(Path.Combine(Paths.Repository, "spec", "layouts", layout.Name + ".md")), layout.Name);
        });
    }
}
