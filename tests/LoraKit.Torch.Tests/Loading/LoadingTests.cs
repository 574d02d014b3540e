using LoraKit.Tests;
using LoraKit.Torch.Loading;

namespace LoraKit.Torch.Tests.Loading;

/// <summary>libtorch is loaded once per process, so what depends on where it is found runs in a process of its own.</summary>
public sealed class LoadingTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void An_empty_folder_asked_for_says_so()
    {
        Directory.CreateDirectory(_folder["empty"]);

        string said = ReportProcess.Run(("LORAKIT_LIBTORCH", _folder["empty"]), ("NUGET_PACKAGES", _folder["none"]));

        Assert.StartsWith("not loaded: libtorch was not found", said);
        Assert.Contains($"'{_folder["empty"]}' (LORAKIT_LIBTORCH, no such file there)", said);
    }

    [Fact]
    public void No_libtorch_at_all_says_what_was_tried_and_leaves_nothing_behind()
    {
        string said = ReportProcess.Run(("LORAKIT_LIBTORCH", ""), ("NUGET_PACKAGES", _folder["none"]));

        Assert.StartsWith("not loaded: libtorch was not found", said);
        Assert.Contains("beside the application", said);
        Assert.Contains(_folder["none"], said);
        Assert.Contains("pip install torch==", said);
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
        Assert.False(Directory.Exists(Path.Combine(AppContext.BaseDirectory, "cpu")));
    }

    [Fact]
    public void A_file_that_is_no_library_is_named()
    {
        Directory.CreateDirectory(_folder["lib"]);
        File.WriteAllText(_folder["lib", NativeNames.Current.File("torch_cpu")], "not a library");

        string said = ReportProcess.Run(("LORAKIT_LIBTORCH", _folder["lib"]));

        Assert.StartsWith("not loaded: libtorch", said);
        Assert.Contains("does not load", said);
        Assert.Contains(_folder["lib"], said);
    }

    [Fact]
    public void A_folder_as_Python_installs_it_computes()
    {
        Assert.SkipUnless(Directory.Exists(Natives.LibTorchDirectory), "libtorch is not in the NuGet packages folder");
        Directory.CreateDirectory(_folder["torch", "lib"]);
        File.WriteAllText(_folder["torch", "version.py"], "__version__ = '2.10.0+cpu'\n");
        foreach (string file in Directory.GetFiles(Natives.LibTorchDirectory).Where(f => !f.Contains("LibTorchSharp")))
        {
            File.CreateSymbolicLink(_folder["torch", "lib", Path.GetFileName(file)], file);
        }

        string said = ReportProcess.Run(("LORAKIT_LIBTORCH", _folder["torch", "lib"]), ("NUGET_PACKAGES", _folder["none"]));

        Assert.Equal($"loaded 2.10.0 from {_folder["torch", "lib"]} (LORAKIT_LIBTORCH), 2 x 3 = 6", said);
        Assert.False(Directory.Exists(Path.Combine(AppContext.BaseDirectory, "cpu")));
    }

    [Fact]
    public void A_libtorch_that_the_application_loaded_is_used_and_no_other()
    {
        Assert.SkipUnless(Directory.Exists(Natives.LibTorchDirectory), "libtorch is not in the NuGet packages folder");
        Directory.CreateDirectory(_folder["other"]);
        File.WriteAllText(_folder["other", NativeNames.Current.File("torch_cpu")], "");
        (string, string) preload = (ReportProcess.PreloadVariable, Natives.LibTorchDirectory);

        string used = ReportProcess.Run(preload, ("LORAKIT_LIBTORCH", ""), ("NUGET_PACKAGES", _folder["none"]));
        string refused = ReportProcess.Run(preload, ("LORAKIT_LIBTORCH", _folder["other"]), ("NUGET_PACKAGES", _folder["none"]));

        Assert.Equal($"loaded 2.10.0 from {Natives.LibTorchDirectory} (loaded by the application already), 2 x 3 = 6", used);
        Assert.StartsWith("not loaded: libtorch", refused);
        Assert.Contains("one process can load only one", refused);
    }

    [Fact]
    public void A_second_libtorch_is_refused_once_one_is_loaded()
    {
        Assert.Null(LibTorchReport.Create(new TorchOptions()).Problem);

        string? problem = LibTorchReport.Create(new TorchOptions { LibTorchDirectory = _folder["absent"] }).Problem;

        Assert.Contains(_folder["absent"], problem);
    }
}
