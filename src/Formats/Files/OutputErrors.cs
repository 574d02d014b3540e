namespace LoraKit.Formats.Files;

/// <summary>What the system says when it cannot write, as one line with what to do.</summary>
internal static class OutputErrors
{
    private const string TooLarge = "the file is too large for this file system or the limit set for it; choose another place";
    private const int WindowsDiskFull = unchecked((int)0x80070070);
    private const int WindowsHandleDiskFull = unchecked((int)0x80070027);

    /// <summary>Whether it is the system's refusal, not a bug.</summary>
    public static bool IsRefusal(Exception e) => e is IOException or UnauthorizedAccessException || IsTooLarge(e);

    /// <summary>The refusal, told of the file that the user will know.</summary>
    /// <param name="path">The final path.</param>
    /// <param name="action">What was tried: <c>cannot be written</c>.</param>
    /// <param name="cause">What the system said.</param>
    public static OutputException Of(string path, string action, Exception cause) =>
        new($"{Printable.Text(path)}: {action}: {Reason(cause)}", path, cause);

    private static string Reason(Exception cause)
    {
        int number = cause is UnauthorizedAccessException { InnerException: IOException inner } ? inner.HResult : cause.HResult;
        return number switch
        {
            ErrorNumber.NoSpace or WindowsDiskFull or WindowsHandleDiskFull => "the disk is full; free some space or choose another place",
            ErrorNumber.QuotaExceeded => "the disk quota is used up; free some space or choose another place",
            ErrorNumber.FileTooLarge => TooLarge,
            ErrorNumber.ReadOnly => "the file system is read-only; choose another place",
            ErrorNumber.InputOutput => "the device reports an input/output error; do not trust it, choose another place",
            ErrorNumber.NameTooLong => "the name is too long; choose a shorter one",
            ErrorNumber.AccessDenied or ErrorNumber.NotPermitted => "permission denied; choose another place or change its permissions",
            _ when cause is UnauthorizedAccessException => "permission denied; choose another place or change its permissions",
            _ when IsTooLarge(cause) => TooLarge,
            // As /proc does, and a folder that was removed meanwhile.
            _ when cause is FileNotFoundException or DirectoryNotFoundException => "its folder takes no files, or is gone; choose another place",
            _ => InputErrors.Reason(cause),
        };
    }

    // .NET's word for EFBIG.
    private static bool IsTooLarge(Exception e) => e is ArgumentOutOfRangeException { ParamName: "value" };
}
