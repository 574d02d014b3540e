using System.CommandLine;
using LoraKit.Formats;
using LoraKit.Formats.Files;

namespace LoraKit.Tool.Options;

/// <summary>A path as it is typed: a file, a folder, or a model id in the local Hugging Face cache.</summary>
internal static class PathArgument
{
    private const string HelpName = "PATH";

    public static Argument<string> Create(string description) => new(HelpName) { Description = description };

    /// <summary>A path behind an option's name, which must be given.</summary>
    public static Option<string> RequiredOption(string name, string description) => new(name) { Description = description, HelpName = HelpName, Required = true };

    /// <summary>A path behind an option's name; null where it is not given.</summary>
    public static Option<string?> Option(string name, string description) => new(name) { Description = description, HelpName = HelpName };

    /// <summary>The path of an option, resolved; null where it is not given.</summary>
    public static string? Resolve(ParseResult parsed, Option<string?> option, ToolEnvironment environment) =>
        parsed.GetValue(option) is { } path ? Resolve(path, environment) : null;

    /// <summary>The path itself where it exists, else the model's folder in the cache. Never a download.</summary>
    /// <exception cref="InvalidOptionException">It is empty.</exception>
    /// <exception cref="InputNotFoundException">Neither is there, and it could be a model id.</exception>
    public static string Resolve(string path, ToolEnvironment environment)
    {
        if (path.Length == 0) throw new InvalidOptionException("a path is empty; expected a file, a folder or a model id");
        if (Path.Exists(path)) return path;
        HuggingFaceCache cache = Cache(environment);
        if (cache.Find(path) is { } snapshot) return snapshot;
        // What cannot be a model id is for the library to refuse.
        if (!HuggingFaceCache.IsModelId(path)) return path;
        throw new InputNotFoundException(
            $"'{path}' does not exist, and the Hugging Face cache '{cache.Root}' holds no model of that name; nothing is downloaded", path);
    }

    /// <summary>The cache that the environment names.</summary>
    public static HuggingFaceCache Cache(ToolEnvironment environment) => HuggingFaceCache.FromEnvironment(
        environment.Variable, environment.Variable("HOME") ?? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile));
}
