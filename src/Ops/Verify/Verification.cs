namespace LoraKit.Ops.Verify;

/// <summary>Something wrong with a file.</summary>
/// <param name="Code">A stable identifier: <c>invalid_file</c>, <c>non_finite</c>, <c>not_the_merge</c>, …; see spec/cli.md, "verify".</param>
/// <param name="Message">One line.</param>
/// <param name="File">The file concerned.</param>
/// <param name="Tensor">The tensor concerned, as it is spelt in the file.</param>
public sealed record VerifyFinding(string Code, string Message, string? File, string? Tensor);

/// <summary>
/// Whether files are whole and valid: header and index rules hold, an adapter's keys make sense, no value is NaN or infinite; where it was asked, that a checkpoint is a base with
/// adapters merged in (spec/algebra.md, "verify"), and that files have the hashes they should have.
/// </summary>
public sealed record Verification
{
    /// <summary>What was named.</summary>
    public required string Path { get; init; }

    /// <summary>Everything that is wrong; empty for valid files.</summary>
    public required IReadOnlyList<VerifyFinding> Findings { get; init; }

    /// <summary>What could not be checked, one line each.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>How many numbers were looked at; where a base was given, how many elements were compared with the merge.</summary>
    public required long CheckedElements { get; init; }

    /// <summary>
    /// Where a base was given: how far, at most, an element is from the F64 result rounded to its type, in representable values; null where none was given, or a NaN is wrong.
    /// </summary>
    public ulong? MaxUlp { get; init; }

    /// <summary>Where a base was given: how many elements are not the F64 result rounded to their type.</summary>
    public long? WrongElements { get; init; }

    /// <summary>Whether nothing is wrong.</summary>
    public bool Valid => Findings.Count == 0;

    /// <summary>Reads everything behind a path, in bounded memory. Broken files are findings, not exceptions.</summary>
    /// <param name="options">What to check.</param>
    /// <param name="progress">Told of bytes read.</param>
    /// <param name="cancellation">Stops between pieces.</param>
    /// <exception cref="Formats.InputNotFoundException">There is no such path, or nothing in it to check.</exception>
    /// <exception cref="Formats.UnsupportedException">The weights are in a container that is not read.</exception>
    /// <exception cref="Formats.LoraKitException">The base, an adapter or the manifest cannot be read, or the adapters do not fit the base.</exception>
    public static Verification Run(VerifyOptions options, IProgress<OpProgress>? progress = null, CancellationToken cancellation = default) =>
        new Verifier(options, progress, cancellation).Run();
}
