namespace LoraKit.Tool;

/// <summary>What the process ends with.</summary>
internal static class ExitCode
{
    /// <summary>All done.</summary>
    public const int Done = 0;

    /// <summary>Done, and something was found that was asked about.</summary>
    public const int Finding = 1;

    /// <summary>Something stopped the command: usage, a file, the disk, a device, a bug.</summary>
    public const int Stopped = 2;

    /// <summary>The user or the system interrupted it; nothing unfinished is left behind.</summary>
    public const int Interrupted = 130;
}
