using System.Diagnostics;

namespace LoraKit.Tool.Render;

/// <summary>What this process has taken.</summary>
internal static class ProcessMemory
{
    /// <summary>The most physical memory it has held so far, in bytes.</summary>
    public static long PeakBytes
    {
        get
        {
            using Process self = Process.GetCurrentProcess();
            return self.PeakWorkingSet64;
        }
    }
}
