using System.Text.RegularExpressions;
using LoraKit.Ops;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Merge;
using LoraKit.Tests;

namespace LoraKit.Tool.Tests.Repository;

/// <summary>What the README says is so.</summary>
public partial class ReadmeTests
{
    private static string Text => File.ReadAllText(Path.Combine(Paths.Repository, "README.md")).ReplaceLineEndings("\n");

    [Fact]
    public void TheLibraryExampleIsTheCodeBelow()
    {
        string source = File.ReadAllText(Path.Combine(Paths.Repository, "tests", "LoraKit.Tool.Tests", "Repository", "ReadmeTests.cs")).ReplaceLineEndings("\n");
        string body = Between(source, "// <example>\n", "        // </example>");
        string code = string.Join('\n', body.Split('\n').Select(l => l.StartsWith("        ", StringComparison.Ordinal) ? l[8..] : l)).TrimEnd();
        Assert.Contains(code.Trim(), Between(Text, "```csharp\n", "```"));
    }

    [Fact]
    public void TheLibraryExampleRuns()
    {
        using TempFolder temp = new();
        string model = Paths.Fixture("peft", "lora-linear-bf16", "base");
        string adapter = Paths.Fixture("peft", "lora-linear-bf16", "adapter");
        string merged = temp["merged"];
        List<string> lines = Example(model, adapter, merged, CancellationToken.None);
        Assert.Matches(@"^[1-9]\d* of \d+ tensors changed$", lines[^1]);
        Assert.True(File.Exists(temp["merged", "model.safetensors"]));
    }

    [Fact]
    public void TheQuickStartHasTwoCommands()
    {
        string section = Between(Text, "## Quick start\n", "\n## ");
        Assert.Single(Regex.Matches(section, "^```sh$", RegexOptions.Multiline));
        string[] commands = Between(section, "```sh\n", "```").Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(2, commands.Length);
        Assert.All(commands, c => Assert.StartsWith("dotnet ", c));
        foreach (Match path in FixturePath().Matches(commands[0]))
        {
            Assert.True(Directory.Exists(Path.Combine(Paths.Repository, path.Value)), path.Value);
        }
    }

    [Fact]
    public void LinkedFilesExist()
    {
        foreach (Match link in Link().Matches(Text))
        {
            Assert.True(Path.Exists(Path.Combine(Paths.Repository, link.Groups[1].Value)), link.Value);
        }
    }

    private static List<string> Example(string model, string adapter, string merged, CancellationToken cancellation)
    {
        List<string> lines = [];
        // <example>
        using MergePlan plan = MergePlan.Create(new MergeOptions
        {
            Base = model,
            Adapters = [new AdapterInput(adapter, Weight: 0.7)],
            Output = merged,
        });
        lines.AddRange(plan.Warnings);

        using SimdCompute compute = new();
        MergeReport report = plan.Run(compute, progress: null, cancellation);
        lines.Add($"{report.TensorsChanged} of {report.TensorsTotal} tensors changed");
        // </example>
        return lines;
    }

    private static string Between(string text, string start, string end)
    {
        int from = text.IndexOf(start, StringComparison.Ordinal);
        Assert.True(from >= 0, $"'{start.Trim()}' is not there");
        from += start.Length;
        int to = text.IndexOf(end, from, StringComparison.Ordinal);
        return to < 0 ? text[from..] : text[from..to];
    }

    [GeneratedRegex(@"tests/fixtures/\S+")]
    private static partial Regex FixturePath();

    [GeneratedRegex(@"\]\(((?!https?:)[^)#\s]+)\)")]
    private static partial Regex Link();
}
