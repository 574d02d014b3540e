using LoraKit.Formats;

namespace LoraKit.Torch.Loading;

/// <summary>Looks for libtorch; loads nothing.</summary>
internal static class LibTorchFinder
{
    private const string HowToGet =
        "Get it with one of: `pip install torch==" + TorchVersions.LibTorch + "` and --libtorch <site-packages>/torch/lib; the archive"
        + " 'libtorch " + TorchVersions.LibTorch + " shared with dependencies' of pytorch.org, unpacked, and --libtorch <it>/lib; or a reference to the NuGet"
        + " package libtorch-cpu-";

    /// <summary>
    /// The first of: the directory asked for, beside the application, the NuGet packages folder. A directory asked for that holds no
    /// libtorch ends the search: another one would not be what was asked for.
    /// </summary>
    /// <exception cref="BackendUnavailableException">Nothing was found; the message lists what was tried.</exception>
    public static LibTorchLocation Find(LibTorchSearch search)
    {
        if (!search.Names.IsSupported)
        {
            throw new BackendUnavailableException(
                $"TorchSharp {TorchVersions.TorchSharp} has no libraries for {search.Names.RuntimeIdentifier} (it has linux-x64, win-x64, osx-arm64); use --compute simd");
        }

        (string Directory, string Origin)[] candidates = [.. Candidates(search)];
        (string Directory, string Origin)? found = candidates.Cast<(string, string)?>().FirstOrDefault(c => HoldsLibTorch(search, c!.Value.Item1));
        if (found is not { } place)
        {
            throw new BackendUnavailableException(
                $"libtorch was not found: no {search.Names.File("torch_cpu")} in {List(candidates)}. {HowToGet}{search.Names.RuntimeIdentifier} {TorchVersions.LibTorch}");
        }

        RefuseTwo(search, place.Directory);
        return new LibTorchLocation(
            place.Directory,
            place.Origin,
            TorchSharpLibrary(search, place.Directory),
            LibTorchVersion.FromFiles(place.Directory),
            File.Exists(Path.Combine(place.Directory, search.Names.File("torch_cuda"))));
    }

    private static IEnumerable<(string Directory, string Origin)> Candidates(LibTorchSearch search)
    {
        if (search.Directory is not null)
        {
            string given = Path.GetFullPath(search.Directory);
            // The root of an unpacked libtorch or of the torch package is meant as well as its lib.
            return [(given, search.DirectoryOrigin), (Path.Combine(given, "lib"), search.DirectoryOrigin)];
        }

        return
        [
            .. Application(search).Select(directory => (directory, "beside the application")),
            .. Package(search, "libtorch-cpu-" + search.Names.RuntimeIdentifier, TorchVersions.LibTorch)
                .Select(directory => (directory, "NuGet packages folder")),
        ];
    }

    /// <summary>The directories that the runtime probes before anything else.</summary>
    private static string[] Application(LibTorchSearch search) =>
    [
        Path.TrimEndingDirectorySeparator(search.ApplicationDirectory),
        Path.Combine(search.ApplicationDirectory, "runtimes", search.Names.RuntimeIdentifier, "native"),
    ];

    private static string[] Package(LibTorchSearch search, string package, string version) =>
        search.PackagesDirectory is null
            ? []
            : [Path.Combine(search.PackagesDirectory, package, version, "runtimes", search.Names.RuntimeIdentifier, "native")];

    private static bool HoldsLibTorch(LibTorchSearch search, string directory) =>
        File.Exists(Path.Combine(directory, search.Names.File("torch_cpu")));

    /// <summary>TorchSharp probes beside the application whatever was asked for, and libtorch loaded twice aborts the process.</summary>
    private static void RefuseTwo(LibTorchSearch search, string directory)
    {
        string? other = Application(search).FirstOrDefault(beside => HoldsLibTorch(search, beside) && !SameFile(search, beside, directory));
        if (other is not null && search.Directory is not null)
        {
            throw new BackendUnavailableException(
                $"libtorch is asked for in '{directory}' ({search.DirectoryOrigin}) but lies beside the application too, in '{other}', and one process"
                + " can load only one; leave the option out, or use a build of the application that carries no libtorch");
        }
    }

    private static bool SameFile(LibTorchSearch search, string one, string other)
    {
        string name = search.Names.File("torch_cpu");
        return Resolved(Path.Combine(one, name)) == Resolved(Path.Combine(other, name));

        static string Resolved(string path) => File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? Path.GetFullPath(path);
    }

    private static string TorchSharpLibrary(LibTorchSearch search, string directory)
    {
        // The application's own first: it belongs to the TorchSharp.dll that is beside it.
        string[] directories = [.. Application(search), directory, .. Package(search, "torchsharp", TorchVersions.TorchSharp)];
        string name = search.Names.File("LibTorchSharp");
        return directories.Select(d => Path.Combine(d, name)).FirstOrDefault(File.Exists)
            ?? throw new BackendUnavailableException(
                $"libtorch is in '{directory}', but TorchSharp's {name} is in none of {List(directories.Select(d => (d, "")))}; it comes with the tool and"
                + $" with the NuGet package TorchSharp {TorchVersions.TorchSharp}");
    }

    private static string List(IEnumerable<(string Directory, string Origin)> places) => string.Join(
        ", ", places.Select(p => $"'{p.Directory}' ({(p.Origin.Length > 0 ? p.Origin + ", " : "")}{(Directory.Exists(p.Directory) ? "no such file there" : "no such folder")})"));
}
