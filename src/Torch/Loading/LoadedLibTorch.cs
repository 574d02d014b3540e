using System.Diagnostics;
using LoraKit.Formats;

namespace LoraKit.Torch.Loading;

/// <summary>A libtorch that the application loaded by itself, through a TorchSharp of its own for instance: then it is the one to use.</summary>
internal static class LoadedLibTorch
{
    /// <summary>The search, turned to the directory of the libtorch in this process; unchanged where there is none.</summary>
    /// <exception cref="BackendUnavailableException">Another directory was asked for.</exception>
    public static LibTorchSearch Prefer(LibTorchSearch search)
    {
        using Process process = Process.GetCurrentProcess();
        string? path = process.Modules.Cast<ProcessModule>().Select(module => module.FileName)
            .FirstOrDefault(file => Path.GetFileName(file) == search.Names.File("torch_cpu"));
        if (Path.GetDirectoryName(path) is not { } directory) return search;

        LibTorchSearch preferred = search with { Directory = directory, DirectoryOrigin = "loaded by the application already" };
        if (search.Directory is not null && LibTorchFinder.Find(search).Directory != directory) throw OnlyOne(directory, search.Directory);
        return preferred;
    }

    /// <summary>One process can load only one libtorch.</summary>
    public static BackendUnavailableException OnlyOne(string loaded, string wanted) =>
        new($"libtorch of '{loaded}' is loaded already, and one process can load only one: '{wanted}' cannot be used too");
}
