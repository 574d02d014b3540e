using System.Runtime.InteropServices;
using LoraKit.Formats;
using LoraKit.Tests;
using LoraKit.Torch.Loading;

namespace LoraKit.Torch.Tests.Loading;

public sealed class LibTorchFinderTests : IDisposable
{
    private static readonly NativeNames Linux = NativeNames.For("linux", Architecture.X64);
    private readonly TempFolder _folder = new();

    private LibTorchSearch Search => new()
    {
        ApplicationDirectory = _folder["app"],
        PackagesDirectory = _folder["packages"],
        Names = Linux,
    };

    private string ApplicationNatives => _folder["app", "runtimes", "linux-x64", "native"];

    private string Package => _folder["packages", "libtorch-cpu-linux-x64", "2.10.0", "runtimes", "linux-x64", "native"];

    private string TorchSharpPackage => _folder["packages", "torchsharp", "0.107.0", "runtimes", "linux-x64", "native"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_packages_folder_is_found_last()
    {
        Put(Package, "libtorch_cpu.so");
        Put(TorchSharpPackage, "libLibTorchSharp.so");

        LibTorchLocation found = LibTorchFinder.Find(Search);

        Assert.Equal(Package, found.Directory);
        Assert.Equal("NuGet packages folder", found.Origin);
        Assert.Equal("2.10.0", found.Version);
        Assert.Equal(Path.Combine(TorchSharpPackage, "libLibTorchSharp.so"), found.TorchSharpLibrary);
        Assert.False(found.HasCuda);
    }

    [Theory]
    [InlineData("app")]
    [InlineData("app", "runtimes", "linux-x64", "native")]
    public void Beside_the_application_comes_before_the_packages_folder(params string[] place)
    {
        Put(Package, "libtorch_cpu.so");
        Put(TorchSharpPackage, "libLibTorchSharp.so");
        Put(_folder[place], "libtorch_cpu.so", "libLibTorchSharp.so", "libtorch_cuda.so");

        LibTorchLocation found = LibTorchFinder.Find(Search);

        Assert.Equal(_folder[place], found.Directory);
        Assert.Equal("beside the application", found.Origin);
        Assert.Equal(Path.Combine(_folder[place], "libLibTorchSharp.so"), found.TorchSharpLibrary);
        Assert.True(found.HasCuda);
    }

    [Fact]
    public void A_pythons_torch_lib_is_taken_with_the_tools_own_TorchSharp()
    {
        Put(Package, "libtorch_cpu.so");
        Put(TorchSharpPackage, "libLibTorchSharp.so");
        Put(ApplicationNatives, "libLibTorchSharp.so");
        Put(_folder["torch", "lib"], "libtorch_cpu.so", "libc10.so");
        File.WriteAllText(_folder["torch", "version.py"], "from typing import Optional\n\n__all__ = ['__version__']\n__version__ = '2.11.1+cu130'\ndebug = False\n");

        LibTorchLocation found = LibTorchFinder.Find(Search with { Directory = _folder["torch", "lib"], DirectoryOrigin = "LORAKIT_LIBTORCH" });

        Assert.Equal(_folder["torch", "lib"], found.Directory);
        Assert.Equal("LORAKIT_LIBTORCH", found.Origin);
        Assert.Equal("2.11.1", found.Version);
        Assert.Equal(Path.Combine(ApplicationNatives, "libLibTorchSharp.so"), found.TorchSharpLibrary);
        // The package's own folder means its lib.
        Assert.Equal(found, LibTorchFinder.Find(Search with { Directory = _folder["torch"], DirectoryOrigin = "LORAKIT_LIBTORCH" }));
    }

    [Fact]
    public void A_directory_asked_for_that_holds_nothing_is_not_replaced_by_another()
    {
        Put(Package, "libtorch_cpu.so");
        Put(TorchSharpPackage, "libLibTorchSharp.so");

        var error = Assert.Throws<BackendUnavailableException>(() => LibTorchFinder.Find(Search with { Directory = _folder["empty"] }));

        Assert.Contains($"'{_folder["empty"]}' (--libtorch, no such folder)", error.Message);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void Nothing_found_lists_every_place_and_how_to_get_it()
    {
        Directory.CreateDirectory(_folder["app"]);

        var error = Assert.Throws<BackendUnavailableException>(() => LibTorchFinder.Find(Search));

        Assert.Contains($"no libtorch_cpu.so in '{_folder["app"]}' (beside the application, no such file there)", error.Message);
        Assert.Contains($"'{ApplicationNatives}' (beside the application, no such folder)", error.Message);
        Assert.Contains($"'{Package}' (NuGet packages folder, no such folder)", error.Message);
        Assert.Contains("pip install torch==2.10.0", error.Message);
        Assert.Contains("libtorch-cpu-linux-x64 2.10.0", error.Message);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void Without_TorchSharps_library_the_message_says_where_it_was_looked_for()
    {
        Put(Package, "libtorch_cpu.so");

        var error = Assert.Throws<BackendUnavailableException>(() => LibTorchFinder.Find(Search));

        Assert.Contains("libLibTorchSharp.so is in none of", error.Message);
        Assert.Contains(TorchSharpPackage, error.Message);
    }

    [Fact]
    public void A_second_libtorch_beside_the_application_is_refused()
    {
        Put(ApplicationNatives, "libtorch_cpu.so", "libLibTorchSharp.so");
        Put(_folder["other"], "libtorch_cpu.so");

        var error = Assert.Throws<BackendUnavailableException>(() => LibTorchFinder.Find(Search with { Directory = _folder["other"] }));

        Assert.Contains("one process can load only one", error.Message);
    }

    [Fact]
    public void The_one_beside_the_application_may_be_asked_for_by_name_and_by_link()
    {
        Put(ApplicationNatives, "libtorch_cpu.so", "libLibTorchSharp.so");
        Directory.CreateDirectory(_folder["linked"]);
        File.CreateSymbolicLink(_folder["linked", "libtorch_cpu.so"], Path.Combine(ApplicationNatives, "libtorch_cpu.so"));

        Assert.Equal(ApplicationNatives, LibTorchFinder.Find(Search with { Directory = ApplicationNatives }).Directory);
        Assert.Equal(_folder["linked"], LibTorchFinder.Find(Search with { Directory = _folder["linked"] }).Directory);
    }

    [Fact]
    public void A_system_without_TorchSharp_is_named()
    {
        LibTorchSearch search = Search with { Names = NativeNames.For("linux", Architecture.Arm64) };

        Assert.Contains("linux-arm64", Assert.Throws<BackendUnavailableException>(() => LibTorchFinder.Find(search)).Message);
    }

    [Theory]
    [InlineData("win", "torch_cpu.dll", "libtorch-cpu-win-x64", Architecture.X64)]
    [InlineData("osx", "libtorch_cpu.dylib", "libtorch-cpu-osx-arm64", Architecture.Arm64)]
    public void Other_systems_have_other_names(string system, string file, string package, Architecture architecture)
    {
        NativeNames names = NativeNames.For(system, architecture);
        string natives = _folder["packages", package, "2.10.0", "runtimes", names.RuntimeIdentifier, "native"];
        Put(natives, file, names.File("LibTorchSharp"));

        Assert.Equal(natives, LibTorchFinder.Find(Search with { Names = names }).Directory);
    }

    private static void Put(string folder, params string[] files)
    {
        Directory.CreateDirectory(folder);
        foreach (string file in files)
        {
            File.WriteAllText(Path.Combine(folder, file), "");
        }
    }
}
