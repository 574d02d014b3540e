namespace LoraKit.Formats;

/// <summary>
/// Everything that can go wrong and that we foresaw. The message is one line: what was found, what was expected, where, what to do.
/// Anything else that escapes is a bug and shows its stack.
/// </summary>
public abstract class LoraKitException : Exception
{
    private protected LoraKitException(string code, string message, string? file, string? tensor, Exception? cause)
        : base(message, cause)
    {
        Code = code;
        File = file;
        Tensor = tensor;
    }

    /// <summary>A stable identifier of the cause, as <c>--json</c> prints it: <c>invalid_file</c>, <c>output</c>, …</summary>
    public string Code { get; }

    /// <summary>The file or folder concerned, where there is one.</summary>
    public string? File { get; }

    /// <summary>The tensor or module concerned, where there is one, as it is spelt in the file (not escaped).</summary>
    public string? Tensor { get; }
}

/// <summary>A path that must exist does not.</summary>
public sealed class InputNotFoundException(string message, string? file = null, Exception? cause = null)
    : LoraKitException("not_found", message, file, null, cause);

/// <summary>A file is not what its place says it is: a broken header, a truncated tensor, an index that disagrees with its shards.</summary>
public sealed class InvalidFileException(string message, string? file = null, string? tensor = null, Exception? cause = null)
    : LoraKitException("invalid_file", message, file, tensor, cause);

/// <summary>An adapter's configuration or keys contradict each other or the format's rules.</summary>
public sealed class InvalidAdapterException(string message, string? file = null, string? tensor = null, Exception? cause = null)
    : LoraKitException("invalid_adapter", message, file, tensor, cause);

/// <summary>Well understood, but not something LoraKit does (yet): the message names the kind and what to do instead.</summary>
public sealed class UnsupportedException(string message, string? file = null, string? tensor = null, Exception? cause = null)
    : LoraKitException("unsupported", message, file, tensor, cause);

/// <summary>Adapter modules that find no tensor in the base model, or tensors of another shape: all of them, listed.</summary>
public sealed class TargetMismatchException(string message, IReadOnlyList<string> misses, string? file = null, string? tensor = null)
    : LoraKitException("target_mismatch", message, file, tensor, null)
{
    /// <summary>One line per miss or shape clash.</summary>
    public IReadOnlyList<string> Misses { get; } = misses;
}

/// <summary>NaN or infinity where only finite numbers make sense.</summary>
public sealed class NonFiniteException(string message, string? file = null, string? tensor = null)
    : LoraKitException("non_finite", message, file, tensor, null);

/// <summary>The output cannot be written: it exists, it is an input, the disk is full, the folder is read-only.</summary>
public sealed class OutputException(string message, string? file = null, Exception? cause = null)
    : LoraKitException("output", message, file, null, cause);

/// <summary>A compute backend or device is not there; the message says what was tried.</summary>
public sealed class BackendUnavailableException(string message, Exception? cause = null)
    : LoraKitException("backend_unavailable", message, null, null, cause);

/// <summary>An option has a value that makes no sense, or two options exclude each other.</summary>
public sealed class InvalidOptionException(string message)
    : LoraKitException("invalid_option", message, null, null, null);
