using System.Reflection;
using System.Xml.Linq;
using LoraKit.Tests;

namespace LoraKit.Tool.Tests.Repository;

/// <summary>Tool → Torch → Ops → Formats → .NET alone, in the project files and in what the compiler made of them.</summary>
public class ArchitectureTests
{
    private static readonly string[] Layers = ["Formats", "Ops", "Torch", "Tool"];

    public static TheoryData<string, string[], string[]> Projects() => new()
    {
        { "Formats", [], [] },
        { "Ops", ["Formats"], ["System.IO.Hashing"] },
        { "Torch", ["Ops"], ["TorchSharp", "TorchSharp-cuda-linux", "SkiaSharp"] },
        { "Tool", ["Torch"], ["System.CommandLine", "Spectre.Console", "Microsoft.Extensions.Hosting", "TorchSharp", "SkiaSharp"] },
    };

    [Theory]
    [MemberData(nameof(Projects))]
    public void ProjectsReferenceOnlyTheLayerBelow(string layer, string[] projects, string[] packages)
    {
        XDocument file = XDocument.Load(Path.Combine(Paths.Repository, "src", layer, $"LoraKit.{layer}.csproj"));
        Assert.Equal(
            projects.Select(p => $"../{p}/LoraKit.{p}.csproj"), file.Descendants("ProjectReference").Select(r => ((string)r.Attribute("Include")!).Replace('\\', '/')));
        // ExcludeAssets="all" keeps a package out; it is no dependency.
        Assert.Empty(file.Descendants("PackageReference").Where(r => (string?)r.Attribute("ExcludeAssets") != "all")
            .Select(r => (string)r.Attribute("Include")!).Except(packages));
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void AssembliesReferenceOnlyLayersBelow(string layer, string[] projects, string[] packages)
    {
        _ = (projects, packages);
        string[] below = Layers[..Array.IndexOf(Layers, layer)];
        string[] referenced = [.. Assembly.Load($"LoraKit.{layer}").GetReferencedAssemblies().Select(a => a.Name!)];
        Assert.Empty(referenced.Where(n => n.StartsWith("LoraKit.", StringComparison.Ordinal)).Except(below.Select(b => $"LoraKit.{b}")));
        if (layer is "Formats" or "Ops") Assert.DoesNotContain("TorchSharp", referenced);
        if (layer != "Tool") Assert.DoesNotContain(referenced, n => n.StartsWith("Spectre", StringComparison.Ordinal) || n == "System.Console");
    }

    [Theory]
    [InlineData("Formats")]
    [InlineData("Ops")]
    [InlineData("Torch")]
    [InlineData("Tool")]
    public void NamespacesFollowFolders(string layer)
    {
        string root = Path.Combine(Paths.Repository, "src", layer);
        foreach (string file in Sources(root))
        {
            string folder = Path.GetRelativePath(root, Path.GetDirectoryName(file)!).Replace(Path.DirectorySeparatorChar, '.');
            string? declared = File.ReadLines(file).FirstOrDefault(l => l.StartsWith("namespace ", StringComparison.Ordinal))?["namespace ".Length..].TrimEnd(';');
            if (declared is null) continue;
            Assert.Equal(folder == "." ? $"LoraKit.{layer}" : $"LoraKit.{layer}.{folder}", declared);
        }
    }

    private static IEnumerable<string> Sources(string root) => Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories)
        .Where(f => !f.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}") && !f.Contains($"{Path.DirectorySeparatorChar}bin{Path.DirectorySeparatorChar}"));
}
