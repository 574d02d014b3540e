using LoraKit.Formats.Containers;
using LoraKit.Formats.Files;

namespace LoraKit.Formats.Zip;

/// <summary>A zip archive that has been checked: every member lies where the directory says, by itself, and inflates within bounds.</summary>
internal sealed class ZipDirectory
{
    private const int MostDirectoryBytes = 64 << 20;
    private const long InflatedAllowance = 256L << 20;
    private const long InflatedPerByte = 100;
    private const long MostInflationOfDeflate = 1032;

    private ZipDirectory(OpenFile file, RecentBytes recent, IReadOnlyList<ZipMember> members)
    {
        File = file;
        Recent = recent;
        Members = members;
    }

    /// <summary>The archive.</summary>
    public OpenFile File { get; }

    /// <summary>Where inflated and reordered bytes are kept for a while.</summary>
    public RecentBytes Recent { get; }

    /// <summary>Every member that is no folder, in the directory's order.</summary>
    public IReadOnlyList<ZipMember> Members { get; }

    /// <exception cref="InvalidFileException">It is no whole zip archive, or one made to harm.</exception>
    /// <exception cref="UnsupportedException">It is encrypted or packed in a way that is not read.</exception>
    public static ZipDirectory Read(OpenFile file)
    {
        ZipEnd end = ZipEnd.Read(file);
        if (end.Length > MostDirectoryBytes) throw file.Invalid($"has a zip directory of {end.Length} bytes; at most {MostDirectoryBytes} are expected");
        byte[] bytes = new byte[end.Length];
        file.Read(end.Offset, bytes);
        List<ZipEntry> entries = [];
        HashSet<string> names = new(StringComparer.Ordinal);
        for (int position = 0; position < bytes.Length;)
        {
            ZipEntry entry = ZipEntry.Read(file, bytes, ref position);
            if (!names.Add(entry.Name)) throw file.Invalid($"has two members '{Printable.Text(entry.Name)}'");
            entries.Add(entry);
        }

        if (entries.Count != end.Count) throw file.Invalid($"has a zip directory of {entries.Count} members that announces {end.Count}");
        RequireBoundedInflation(file, entries);
        RecentBytes recent = new();
        (ZipEntry Entry, long Data)[] placed = [.. entries.Select(entry => (entry, entry.DataOffset(file, end.Offset)))];
        RequireApart(file, placed);
        return new(file, recent, [.. placed.Where(p => !IsFolder(p.Entry)).Select(p => Member(file, p.Entry, p.Data, recent))]);
    }

    private static ZipMember Member(OpenFile file, ZipEntry entry, long data, RecentBytes recent)
    {
        if (PathGuard.Refusal(entry.Name, out _) is { } refusal) throw file.Invalid($"has a member '{Printable.Text(entry.Name)}', whose name {refusal}");
        FileRange stored = new(file, data, entry.Compressed);
        return new(entry.Name, entry.IsStored ? stored : new InflatedRange(file, entry.Name, stored, (int)entry.Length, recent));
    }

    private static bool IsFolder(ZipEntry entry) => entry.Name.EndsWith('/') && entry.Length == 0;

    // A bomb declares much more than it takes: deflate cannot give more than 1032 bytes for one, and weights give hardly two.
    private static void RequireBoundedInflation(OpenFile file, IReadOnlyList<ZipEntry> entries)
    {
        long most = InflatedAllowance + Math.Min(file.Length, long.MaxValue / (2 * InflatedPerByte)) * InflatedPerByte;
        long left = most;
        foreach (ZipEntry entry in entries.Where(e => !e.IsStored))
        {
            if (entry.Length > left) throw file.Invalid($"would inflate from {file.Length} bytes to more than {most}: refused as a zip bomb; pack it without compression");
            left -= entry.Length;
            string shown = $"member '{Printable.Text(entry.Name)}'";
            if (entry.Length / MostInflationOfDeflate > entry.Compressed) throw file.Invalid($"{shown} cannot inflate from {entry.Compressed} bytes to {entry.Length}");
            if (entry.Length > Array.MaxLength) throw file.Unsupported($"{shown} is compressed and has {entry.Length} bytes, too many to inflate; pack it without compression");
        }
    }

    private static void RequireApart(OpenFile file, (ZipEntry Entry, long Data)[] placed)
    {
        (ZipEntry Entry, long Data)[] inOrder = [.. placed.OrderBy(p => p.Entry.HeaderOffset)];
        for (int i = 1; i < inOrder.Length; i++)
        {
            if (inOrder[i - 1].Data + inOrder[i - 1].Entry.Compressed > inOrder[i].Entry.HeaderOffset)
                throw file.Invalid($"has members that overlap: '{Printable.Text(inOrder[i - 1].Entry.Name)}' and '{Printable.Text(inOrder[i].Entry.Name)}'");
        }
    }
}
