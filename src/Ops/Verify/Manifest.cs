using System.Security.Cryptography;
using System.Text;
using LoraKit.Formats;
using LoraKit.Formats.Files;

namespace LoraKit.Ops.Verify;

/// <summary>
/// SHA-256 of files as <c>sha256sum</c> prints them: 64 hexadecimal digits, a space, a space or <c>*</c>, and a path below the folder.
/// Empty lines and those that begin with <c>#</c> mean nothing; escaped paths (the line begins with <c>\</c>) are refused, no model's file has one.
/// </summary>
internal static class Manifest
{
    private const int MostBytes = 16 << 20;
    private const int DigestDigits = 64;
    private const string Digits = "0123456789abcdefABCDEF";
    private const int PieceBytes = 1 << 20;

    /// <summary>Hashes every file that is listed.</summary>
    /// <param name="manifest">The list.</param>
    /// <param name="path">The folder that the paths are below, or a file in it.</param>
    /// <param name="progress">Told of bytes hashed.</param>
    /// <param name="cancellation">Stops between pieces.</param>
    /// <exception cref="InputNotFoundException">There is no such list.</exception>
    /// <exception cref="InvalidFileException">The list is none, or a path leads out of the folder.</exception>
    public static IReadOnlyList<VerifyFinding> Check(string manifest, string path, IProgress<OpProgress>? progress, CancellationToken cancellation)
    {
        string folder = Directory.Exists(path) ? path : Path.GetDirectoryName(Path.GetFullPath(path))!;
        List<VerifyFinding> findings = [];
        List<(string Digest, string Name, string File)> present = [];
        foreach ((string digest, string name) in Read(manifest))
        {
            string file = Path.Combine(folder, name);
            if (File.Exists(file)) present.Add((digest, name, file));
            else findings.Add(new("missing_file", $"{Printable.Text(file)}: is listed in {Printable.Text(manifest)}, but is not there", file, null));
        }

        long total = present.Sum(p => new FileInfo(p.File).Length), done = 0;
        foreach ((string digest, string name, string file) in present)
        {
            string found = Hash(file, bytes => progress?.Report(new(done += bytes, total, name)), cancellation);
            if (found == digest) continue;
            findings.Add(new("hash_mismatch", $"{Printable.Text(file)}: its SHA-256 is {found}; {Printable.Text(manifest)} says {digest}", file, null));
        }

        return findings;
    }

    private static List<(string Digest, string Name)> Read(string manifest)
    {
        List<(string, string)> entries = [];
        string[] lines = Encoding.UTF8.GetString(BoundedFile.ReadAll(manifest, MostBytes)).Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i].TrimEnd('\r');
            if (line.Length == 0 || line[0] == '#') continue;
            string? wrong = line.Length < DigestDigits + 3 || line.AsSpan(0, DigestDigits).ContainsAnyExcept(Digits) || line[DigestDigits] != ' ' || line[DigestDigits + 1] is not (' ' or '*')
                ? "is no line of sha256sum (64 hexadecimal digits, two spaces, a path)"
                : null;
            string name = "";
            if (wrong is null && PathGuard.Refusal(line[(DigestDigits + 2)..], out name) is { } refusal)
            {
                wrong = $"names '{Printable.Text(line[(DigestDigits + 2)..])}', which {refusal}";
            }

            if (wrong is not null) throw new InvalidFileException($"{Printable.Text(manifest)}: line {i + 1} {wrong}", manifest);
            entries.Add((line[..DigestDigits].ToLowerInvariant(), name));
        }

        return entries.Count > 0 ? entries : throw new InvalidFileException($"{Printable.Text(manifest)}: lists no file", manifest);
    }

    private static string Hash(string file, Action<int> read, CancellationToken cancellation)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using Microsoft.Win32.SafeHandles.SafeFileHandle handle = RegularFile.OpenRead(file);
        byte[] piece = new byte[PieceBytes];
        for (long position = 0; ;)
        {
            cancellation.ThrowIfCancellationRequested();
            int length = RandomAccess.Read(handle, piece, position);
            if (length == 0) return Convert.ToHexStringLower(hash.GetHashAndReset());
            hash.AppendData(piece, 0, length);
            position += length;
            read(length);
        }
    }
}
