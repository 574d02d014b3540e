using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Loader;
using LoraKit.Formats;

namespace LoraKit.Torch.Loading;

/// <summary>
/// libtorch in this process. Native libraries are loaded once and stay: the first <see cref="Load"/> that succeeds decides which.
/// </summary>
internal sealed class LibTorch
{
    /// <summary>In the order in which they need each other; those that a build does not have are passed over.</summary>
    private static readonly string[] Libraries = ["c10", "torch_cpu", "c10_cuda", "torch_cuda", "torch"];

    private static readonly Lock Gate = new();
    private static LibTorch? _loaded;

    private readonly Dictionary<string, nint> _handles;

    private LibTorch(LibTorchLocation location, Dictionary<string, nint> handles, bool mended)
    {
        (Location, _handles, Mended) = (location, handles, mended);
        NewTensor = NativeLibrary.GetExport(handles[TorchSharpLibrary.Name], "THSTensor_new");
    }

    /// <summary>Where it was loaded from, with the version that the library itself states.</summary>
    public LibTorchLocation Location { get; }

    /// <summary>Whether TorchSharp's library was loaded from a mended copy in memory.</summary>
    public bool Mended { get; }

    /// <summary>TorchSharp's native entry point that makes a tensor over memory that it does not own.</summary>
    public nint NewTensor { get; }

    /// <summary>Finds and loads libtorch and TorchSharp's library, or gives back what is loaded already.</summary>
    /// <exception cref="BackendUnavailableException">It is not there, does not load, or another one is loaded already.</exception>
    public static LibTorch Load(LibTorchSearch search)
    {
        lock (Gate)
        {
            if (_loaded is null)
            {
                _loaded = LoadFrom(LibTorchFinder.Find(LoadedLibTorch.Prefer(search)), search.Names);
            }
            else if (search.Directory is not null && LibTorchFinder.Find(search).Directory != _loaded.Location.Directory)
            {
                throw LoadedLibTorch.OnlyOne(_loaded.Location.Directory, search.Directory);
            }

            return _loaded;
        }
    }

    private static LibTorch LoadFrom(LibTorchLocation location, NativeNames names)
    {
        Dictionary<string, nint> handles = [];
        foreach (string library in Libraries)
        {
            string path = Path.Combine(location.Directory, names.File(library));
            if (File.Exists(path)) handles[library] = LoadLibTorch(path, location);
        }

        location = location with { Version = LibTorchVersion.FromLoaded(handles["torch_cpu"]) ?? location.Version };
        (handles[TorchSharpLibrary.Name], bool mended) = TorchSharpLibrary.Load(location);
        LibTorch loaded = new(location, handles, mended);
        loaded.AnswerTorchSharp();
        return loaded;
    }

    private static nint LoadLibTorch(string path, LibTorchLocation location)
    {
        try
        {
            return NativeLibrary.Load(path);
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
        {
            throw new BackendUnavailableException(
                $"libtorch {location.Version ?? "of unknown version"} in '{location.Directory}' ({location.Origin}) does not load: {LoaderMessage.Of(e)}", e);
        }
    }

    /// <summary>
    /// TorchSharp looks its libraries up by name. On Linux the loaded ones answer to their names by themselves; elsewhere the runtime
    /// asks here before it gives up. Without an answer TorchSharp would copy half a gigabyte of libraries beside the application.
    /// </summary>
    private void AnswerTorchSharp()
    {
        Assembly assembly = typeof(TorchSharp.torch).Assembly;
        AssemblyLoadContext context = AssemblyLoadContext.GetLoadContext(assembly) ?? AssemblyLoadContext.Default;
        context.ResolvingUnmanagedDll += (asking, name) => asking == assembly ? _handles.GetValueOrDefault(name) : 0;
        try
        {
            TorchSharp.torch.InitializeDeviceType(TorchSharp.DeviceType.CPU);
        }
        catch (Exception e) when (e is TypeInitializationException or NotSupportedException or DllNotFoundException)
        {
            throw new BackendUnavailableException(
                $"TorchSharp does not start with libtorch {Location.Version} of '{Location.Directory}': {LoaderMessage.Of(e.InnerException ?? e)}", e);
        }
    }
}
