using System.CommandLine;
using System.Text.RegularExpressions;
using LoraKit.Tests;
using LoraKit.Tool.Commands;

namespace LoraKit.Tool.Tests.Commands;

/// <summary>What holds for every command and option, the next one too.</summary>
public sealed partial class RegistryTests
{
    private static readonly Command Root = ToolCommands.CreateRoot(new ToolEnvironment { Output = TextWriter.Null, Messages = TextWriter.Null });

    public static TheoryData<string> Commands => [.. Root.Subcommands.Select(c => c.Name)];

    [Theory]
    [MemberData(nameof(Commands))]
    public void NamesAreKebabCase(string name)
    {
        Command command = Find(name);
        Assert.Matches(KebabCase(), command.Name);
        Assert.All(command.Options, option => Assert.Matches(KebabCase(), option.Name.StartsWith("--", StringComparison.Ordinal) ? option.Name[2..] : ""));
        Assert.Equal(command.Options.Count, command.Options.Select(o => o.Name).Distinct().Count());
        Assert.Equal(
            command.Options.Sum(o => o.Aliases.Count), command.Options.SelectMany(o => o.Aliases).Distinct().Count());
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public void EverythingIsDescribed(string name)
    {
        Command command = Find(name);
        Assert.False(string.IsNullOrWhiteSpace(command.Description));
        Assert.All(command.Arguments, argument => Assert.False(string.IsNullOrWhiteSpace(argument.Description)));
        Assert.All(command.Options, option =>
        {
            Assert.False(string.IsNullOrWhiteSpace(option.Description));
            Assert.True(option.ValueType == typeof(bool) || option.HelpName is { Length: > 0 }, $"{option.Name} does not name its value");
        });
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public void TheSpecHasASectionWithEveryOptionAndNoOther(string name)
    {
        string[] sections = File.ReadAllText(Path.Combine(Paths.Repository, "spec", "cli.md")).Split("\n## ");
        string own = Assert.Single(sections, s => s.StartsWith($"{name}\n", StringComparison.Ordinal));
        string shared = Assert.Single(sections, s => s.StartsWith("Options of every command\n", StringComparison.Ordinal));
        HashSet<string> options = [.. Find(name).Options.Select(o => o.Name)];
        Assert.Subset(InTables(own).Union(InTables(shared)).ToHashSet(), options);
        Assert.Subset(options, InTables(own));
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public void HelpNamesEveryOption(string name)
    {
        ToolRun run = ToolRun.Of(name, "--help");
        Assert.Equal((0, ""), (run.Code, run.Messages));
        Assert.All(Find(name).Options, option => Assert.Contains(option.Name, run.Output));
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public void EveryCommandSpeaksJson(string name)
    {
        IEnumerable<string> options = Find(name).Options.Select(o => o.Name);
        Assert.Superset(new HashSet<string> { "--json", "--quiet", "--verbose" }, options.ToHashSet());
    }

    /// <summary>The options that the first cells of tables name.</summary>
    private static HashSet<string> InTables(string section) =>
        [.. TableOption().Matches(section).SelectMany(row => AnyOption().Matches(row.Value)).Select(option => option.Value)];

    private static Command Find(string name) => Root.Subcommands.Single(c => c.Name == name);

    [GeneratedRegex("^[a-z]+(-[a-z]+)*$")]
    private static partial Regex KebabCase();

    [GeneratedRegex("^\\| `--([^|]|\\\\\\|)*", RegexOptions.Multiline)]
    private static partial Regex TableOption();

    [GeneratedRegex("(?<=`)--[a-z-]+")]
    private static partial Regex AnyOption();
}
