using System.Reflection;
using LoraKit.Tests;
using PublicApiGenerator;

namespace LoraKit.Tool.Tests.Repository;

/// <summary>
/// The public API is a text file per library. Where it changes on purpose, set LORAKIT_ACCEPT_API=1 for one run and commit the
/// text with the change.
/// </summary>
public class PublicApiTests
{
    [Theory]
    [InlineData("LoraKit.Formats")]
    [InlineData("LoraKit.Ops")]
    [InlineData("LoraKit.Torch")]
    public void IsAsAgreed(string library)
    {
        string path = Path.Combine(Paths.Repository, "tests", "LoraKit.Tool.Tests", "Repository", "PublicApi", $"{library}.txt");
        string actual = Assembly.Load(library).GeneratePublicApi(new() { IncludeAssemblyAttributes = false }).ReplaceLineEndings("\n") + "\n";
        if (Environment.GetEnvironmentVariable("LORAKIT_ACCEPT_API") == "1") File.WriteAllText(path, actual);
        Assert.Equal(File.ReadAllText(path).ReplaceLineEndings("\n"), actual);
    }
}
