namespace LoraKit.Formats.Files;

/// <summary>What the system says when it cannot read, without the path, which the message names already.</summary>
internal static class InputErrors
{
    /// <summary>The reason, and what to do where that is known.</summary>
    public static string Reason(Exception cause)
    {
        int number = cause is UnauthorizedAccessException { InnerException: IOException inner } ? inner.HResult : cause.HResult;
        return number switch
        {
            ErrorNumber.AccessDenied or ErrorNumber.NotPermitted => "permission denied; change its permissions",
            _ when cause is UnauthorizedAccessException => "permission denied; change its permissions",
            ErrorNumber.TooManyOpen or ErrorNumber.TooManyOpenInSystem => "too many files are open; raise the limit (ulimit -n)",
            ErrorNumber.InputOutput => "the device reports an input/output error",
            ErrorNumber.NameTooLong => "the name is too long",
            ErrorNumber.LinkLoop => "symbolic links lead in a circle",
            _ => Printable.Text(WithoutPath(cause.Message)),
        };
    }

    /// <summary>To throw: the system cannot read the file, or the part of it that a tensor is.</summary>
    public static InvalidFileException Unreadable(string path, Exception cause, string? tensor = null) => new(
        $"{Printable.Text(path)}: {(tensor is null ? "" : $"tensor '{Printable.Text(tensor)}': ")}cannot be read: {Reason(cause)}", path, tensor, cause);

    // .NET ends its messages with " : 'path'".
    private static string WithoutPath(string message)
    {
        int path = message.LastIndexOf(" : '", StringComparison.Ordinal);
        return path > 0 && message.EndsWith('\'') ? message[..path] : message;
    }
}
