namespace LoraKit.Formats.Files;

/// <summary>The error numbers of Linux that are told apart.</summary>
internal static class ErrorNumber
{
    public const int NotPermitted = 1; // EPERM
    public const int InputOutput = 5; // EIO
    public const int AccessDenied = 13; // EACCES
    public const int Exists = 17; // EEXIST
    public const int InvalidArgument = 22; // EINVAL
    public const int TooManyOpenInSystem = 23; // ENFILE
    public const int TooManyOpen = 24; // EMFILE
    public const int FileTooLarge = 27; // EFBIG
    public const int NoSpace = 28; // ENOSPC
    public const int ReadOnly = 30; // EROFS
    public const int NameTooLong = 36; // ENAMETOOLONG
    public const int NoSuchCall = 38; // ENOSYS
    public const int NotEmpty = 39; // ENOTEMPTY
    public const int LinkLoop = 40; // ELOOP
    public const int NotSupported = 95; // EOPNOTSUPP
    public const int QuotaExceeded = 122; // EDQUOT
}
