using System.Text.RegularExpressions;
using LoraKit.Tests;

namespace LoraKit.Tool.Tests.Repository;

/// <summary>What the code says of the specification: the page is there, and so is the section.</summary>
public sealed partial class SpecReferenceTests
{
    [Fact]
    public void EveryPageAndSectionIsThere()
    {
        List<string> wrong = [];
        int references = 0;
        foreach (string file in Directory.EnumerateFiles(Path.Combine(Paths.Repository, "src"), "*.cs", SearchOption.AllDirectories))
        {
            string name = Path.GetRelativePath(Paths.Repository, file);
            if (name.Split(Path.DirectorySeparatorChar).Any(part => part is "bin" or "obj")) continue;
            // A reference may go on in the next line of its comment.
            string text = CommentBreak().Replace(File.ReadAllText(file), " ");
            foreach (Match reference in Reference().Matches(text))
            {
                references++;
                string page = Path.Combine(Paths.Repository, reference.Groups["page"].Value), section = reference.Groups["section"].Value;
                if (!File.Exists(page)) wrong.Add($"{name}: {reference.Groups["page"].Value}");
                else if (section.Length > 0 && !File.ReadLines(page).Any(line => IsHeading(line, section))) wrong.Add($"{name}: {reference.Value}");
            }
        }

        Assert.True(references > 100, $"{references} references were found");
        Assert.Empty(wrong);
    }

    /// <summary>A heading that begins so, or a paragraph whose first words are set off.</summary>
    private static bool IsHeading(string line, string section) =>
        line.TrimStart('#', ' ', '.', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9') is var text && (line.StartsWith('#') ? text.StartsWith(section, StringComparison.Ordinal) : line.StartsWith($"*{section}.*", StringComparison.Ordinal));

    [GeneratedRegex("""(?<page>spec/[\w/-]+\.md)(, "(?<section>[^"]+)")?""")]
    private static partial Regex Reference();

    [GeneratedRegex(@"\s*\n\s*///?\s*")]
    private static partial Regex CommentBreak();
}
