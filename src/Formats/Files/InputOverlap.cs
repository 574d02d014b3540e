namespace LoraKit.Formats.Files;

/// <summary>Inputs are never written to: an output is none of them, lies in none of them and contains none of them.</summary>
internal static class InputOverlap
{
    private const int MaxEntries = 100_000;

    private static readonly EnumerationOptions Below = new()
    {
        RecurseSubdirectories = true,
        MaxRecursionDepth = 16,
        AttributesToSkip = 0,
        IgnoreInaccessible = true,
    };

    /// <exception cref="OutputException">The output touches an input.</exception>
    public static void Refuse(OutputPlace place, IReadOnlyList<string> inputs)
    {
        Spot[] outputs = [.. new[] { place.Final, place.Partial, place.Replaced, place.Lock }.Select(Spot.Of)];
        foreach (string input in inputs)
        {
            foreach (string touched in Everything(input, outputs.Any(o => o.Nature == FileNature.File)))
            {
                Spot read = Spot.Of(touched);
                foreach (Spot output in outputs)
                {
                    if (Relation(output, read) is not { } relation) continue;
                    string through = touched == input ? string.Empty : $" (through {Printable.Text(touched)})";
                    throw new OutputException(
                        $"{Printable.Text(place.Final)}: the output {relation} the input {Printable.Text(input)}{through}; choose another place", place.Final);
                }
            }
        }
    }

    private static string? Relation(Spot output, Spot input)
    {
        if (output.IsSame(input)) return "is";
        if (input.Nature == FileNature.Folder && output.Above.Any(input.IsSame)) return "lies inside";
        return output.Nature == FileNature.Folder && input.Above.Any(output.IsSame) ? "contains" : null;
    }

    /// <summary>The input; and of a folder what its links lead to and, where an existing file might be one of them, its files.</summary>
    private static IEnumerable<string> Everything(string input, bool files)
    {
        yield return input;
        if (FileNatures.Of(input) != FileNature.Folder) yield break;
        DirectoryInfo folder = new(input);
        foreach (FileSystemInfo entry in folder.EnumerateFileSystemInfos("*", Below).Take(MaxEntries))
        {
            if (entry.LinkTarget is not null || (files && entry is FileInfo)) yield return entry.FullName;
        }
    }

    /// <summary>A place on the disk: its path without links, and which file it is if it exists.</summary>
    private sealed record Spot(string Path, FileIdentity? Identity, FileNature Nature)
    {
        private Spot[]? _above;

        /// <summary>The folders above, innermost first.</summary>
        public Spot[] Above => _above ??= [.. RealPath.SelfAndAbove(Path).Skip(1).Select(p => new Spot(p, FileIdentity.Of(p), FileNature.Folder))];

        public static Spot Of(string path)
        {
            string real = RealPath.Of(path);
            return new(real, FileIdentity.Of(real), FileNatures.Of(real));
        }

        public bool IsSame(Spot other) =>
            string.Equals(Path, other.Path, RealPath.Comparison) || (Identity is { } identity && identity == other.Identity);
    }
}
