using LoraKit.Formats.Layouts.Names;
using LoraKit.Formats.Layouts.Names.Architectures;

namespace LoraKit.Formats.Tests.Layouts.Names;

/// <summary>Of every architecture: no name stands for two weights, and every spelling of every module is found again.</summary>
public sealed class VocabularyTests
{
    private static readonly string[] Numbers = ["7", "13", "1"];

    public static TheoryData<string> Architectures() => [.. ArchitectureList.All.Select(architecture => architecture.Name)];

    [Theory]
    [MemberData(nameof(Architectures))]
    public void No_name_stands_for_two_weights(string architecture)
    {
        foreach (ModelPart part in Named(architecture).Parts)
        {
            foreach (Naming naming in Enum.GetValues<Naming>())
            {
                string[] names = [.. part.Map.Rules.SelectMany(rule => rule.Modules(naming)).Select(NamePattern.Flatten)];
                Assert.Equal([], names.GroupBy(name => name).Where(same => same.Skip(1).Any()).Select(same => same.Key));
                foreach (NameRule rule in part.Map.Rules)
                {
                    foreach (string module in Modules(rule, naming))
                    {
                        Assert.Same(rule, Assert.Single(part.Map.Find(module, false, naming), place => IsOf(place, naming)).Rule);
                        Assert.Same(rule, Assert.Single(part.Map.Find(NamePattern.Flatten(module), true, naming).Where(place => IsOf(place, naming)).Select(place => place.Rule).Distinct()));
                    }
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Architectures))]
    public void Every_spelling_of_every_module_is_found(string architecture)
    {
        Architecture whose = Named(architecture);
        foreach (ModelPart part in whose.Parts)
        {
            foreach (PartSpelling spelling in part.Spellings.Values.Concat(part.Readings))
            {
                foreach (NameRule rule in part.Map.Rules)
                {
                    string[] modules = [.. Modules(rule, spelling.Naming)];
                    for (int module = 0; module < modules.Length; module++)
                    {
                        NamePlace? found = part.Find(spelling.Spell(modules[module]));
                        Assert.Same(rule, found?.Rule);
                        Assert.Equal(module, found!.Module);
                        Assert.Equal(NumbersOf(rule), found.Numbers);
                        Assert.Equal(modules[module], rule.Name(spelling.Naming, module, found.Numbers));
                    }
                }
            }
        }
    }

    /// <summary>What layouts write tells the parts apart; PEFT's names are of one model.</summary>
    [Theory]
    [MemberData(nameof(Architectures))]
    public void What_layouts_write_is_found_in_its_part(string architecture)
    {
        Architecture whose = Named(architecture);
        foreach (ModelPart part in whose.Parts)
        {
            foreach ((string layout, PartSpelling spelling) in part.Spellings.Where(spelling => spelling.Key != "peft"))
            {
                foreach (NameRule rule in part.Map.Rules)
                {
                    foreach (string module in Modules(rule, spelling.Naming))
                    {
                        (ModelPart Part, NamePlace Place)? found = whose.Find(spelling.Spell(module));
                        Assert.True(part == found?.Part && rule == found?.Place.Rule, $"{layout}: {spelling.Spell(module)}");
                    }
                }
            }
        }
    }

    [Fact]
    public void Every_architecture_has_a_name_of_its_own() =>
        Assert.Equal(ArchitectureList.All.Count, ArchitectureList.All.Select(architecture => architecture.Name).Distinct().Count());

    private static Architecture Named(string name) => ArchitectureDetection.Named(name, ArchitectureList.All);

    private static bool IsOf(NamePlace place, Naming naming) => (place.Naming == Naming.Diffusers) == (naming == Naming.Diffusers);

    private static IEnumerable<string> Modules(NameRule rule, Naming naming) => Enumerable.Range(0, rule.Modules(naming).Count).Select(module => rule.Name(naming, module, NumbersOf(rule)));

    private static string[] NumbersOf(NameRule rule) => Numbers[..rule.Original.Count(c => c == '#')];
}
