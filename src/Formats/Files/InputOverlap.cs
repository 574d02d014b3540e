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
                foreach (Spot spot in outputs)
                {
                    if (Relation(spot, read) is not { } relation) continue;
                    string through = touched == input ? string.Empty : $" (through {Printable.Text(touched)})";
                    string output = Printable.Text(place.Final), named = Printable.Text(input);
                    string which = output == named ? "the input itself" : $"the input {named}";
                    throw new OutputException($"{output}: the output {relation} {which}{through}; choose another place", place.Final);
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
            // A link that leads in a circle leads to no output.
            bool leads = entry.LinkTarget is null ? files && entry is FileInfo : RealPath.TryOf(entry.FullName) is not null;
            if (leads) yield return entry.FullName;
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
