namespace LoraKit.Ops.Verify;

/// <summary>Something wrong with a file.</summary>
/// <param name="Code">A stable identifier: <c>invalid_file</c>, <c>invalid_adapter</c>, <c>non_finite</c>.</param>
/// <param name="Message">One line.</param>
/// <param name="File">The file concerned.</param>
/// <param name="Tensor">The tensor concerned, as it is spelt in the file.</param>
public sealed record VerifyFinding(string Code, string Message, string? File, string? Tensor);

/// <summary>Whether files are whole and valid: header and index rules hold, an adapter's keys make sense, no value is NaN or infinite.</summary>
/// <param name="Path">What was named.</param>
/// <param name="Findings">Everything that is wrong; empty for valid files.</param>
/// <param name="Warnings">What could not be checked, one line each.</param>
/// <param name="CheckedElements">How many numbers were looked at.</param>
public sealed record Verification(string Path, IReadOnlyList<VerifyFinding> Findings, IReadOnlyList<string> Warnings, long CheckedElements)
{
    /// <summary>Whether nothing is wrong.</summary>
    public bool Valid => Findings.Count == 0;

    /// <summary>Reads everything behind a path, in bounded memory. Broken files are findings, not exceptions.</summary>
    /// <param name="path">An adapter or checkpoint, folder or file.</param>
    /// <param name="threads">How many threads read; 0 takes one per processor.</param>
    /// <param name="progress">Told of bytes read.</param>
    /// <param name="cancellation">Stops between pieces.</param>
    /// <exception cref="Formats.InputNotFoundException">There is no such path, or nothing in it to check.</exception>
    /// <exception cref="Formats.UnsupportedException">The weights are in a container that is not read.</exception>
    public static Verification Run(
        string path, int threads = 0, IProgress<OpProgress>? progress = null, CancellationToken cancellation = default) =>
        new Verifier(path, threads, progress, cancellation).Run();
}
