using System.Reflection;
using System.Xml.Linq;
using LoraKit.Tests;
using LoraKit.Torch.Loading;
using TorchSharp;

namespace LoraKit.Torch.Tests.Loading;

public class TorchVersionsTests
{
    [Fact]
    public void They_are_those_of_the_packages()
    {
        string list = Path.Combine(Paths.Repository, "Directory.Packages.props");
        Assert.SkipUnless(File.Exists(list), "published tests are away from the sources");
        Dictionary<string, string> packages = XDocument.Load(list)
            .Descendants("PackageVersion").ToDictionary(p => p.Attribute("Include")!.Value, p => p.Attribute("Version")!.Value);

        Assert.Equal(TorchVersions.TorchSharp, packages["TorchSharp"]);
        Assert.Equal(TorchVersions.LibTorch, packages["libtorch-cpu-linux-x64"]);
        Assert.Equal(TorchVersions.LibTorch, packages["libtorch-cpu-osx-arm64"]);
        Assert.Equal(TorchVersions.LibTorch, packages["libtorch-cpu-win-x64"]);
    }

    [Fact]
    public void They_are_those_that_are_loaded()
    {
        LibTorchReport report = LibTorchReport.Create(new TorchOptions());

        Assert.Null(report.Problem);
        Assert.StartsWith(
            TorchVersions.TorchSharp, typeof(torch).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion);
        Assert.StartsWith(TorchVersions.LibTorch, torch.__version__);
        Assert.Equal(TorchVersions.LibTorch, report.Version);
    }
}
