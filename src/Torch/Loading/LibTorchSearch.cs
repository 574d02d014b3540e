namespace LoraKit.Torch.Loading;

/// <summary>Where to look for libtorch, as values: only <see cref="FromEnvironment"/> asks the process.</summary>
internal sealed record LibTorchSearch
{
    private const string Variable = "LORAKIT_LIBTORCH";

    /// <summary>The directory that was asked for; null where none was.</summary>
    public string? Directory { get; init; }

    /// <summary>What asked for it: the option or the variable.</summary>
    public string DirectoryOrigin { get; init; } = "--libtorch";

    /// <summary>Where the program and its natives lie.</summary>
    public required string ApplicationDirectory { get; init; }

    /// <summary>The NuGet packages folder; null where there is no home to have one in.</summary>
    public string? PackagesDirectory { get; init; }

    /// <summary>Names of files and folders on this system.</summary>
    public required NativeNames Names { get; init; }

    /// <summary>The search that the process's environment asks for.</summary>
    /// <param name="directory">The option's value; it wins over the variable.</param>
    public static LibTorchSearch FromEnvironment(string? directory)
    {
        string? variable = Value(Variable);
        return new LibTorchSearch
        {
            Directory = directory ?? variable,
            DirectoryOrigin = directory is null ? Variable : "--libtorch",
            ApplicationDirectory = AppContext.BaseDirectory,
            PackagesDirectory = Value("NUGET_PACKAGES") ?? HomePackages(),
            Names = NativeNames.Current,
        };
    }

    private static string? Value(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;

    private static string? HomePackages() =>
        Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) is { Length: > 0 } home
            ? Path.Combine(home, ".nuget", "packages")
            : null;
}
