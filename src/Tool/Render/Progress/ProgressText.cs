using LoraKit.Ops;

namespace LoraKit.Tool.Render.Progress;

/// <summary>How far an operation has come, in words.</summary>
internal static class ProgressText
{
    /// <summary>Bytes, rate and time left: <c>112.0 MB of 512.0 MB, 340.1 MB/s, 1.2 s left</c>.</summary>
    /// <param name="value">How far; its total is not zero.</param>
    /// <param name="elapsed">Since the start; rate and time left are not known at once.</param>
    public static string Of(OpProgress value, TimeSpan elapsed)
    {
        string text = $"{Words.Bytes(value.BytesDone)} of {Words.Bytes(value.BytesTotal)}";
        if (elapsed <= TimeSpan.Zero || value.BytesDone <= 0) return text;
        text += $", {Words.Bytes(value.BytesDone / elapsed.TotalSeconds)}/s";
        if (value.BytesDone >= value.BytesTotal) return text;
        TimeSpan left = elapsed * ((double)(value.BytesTotal - value.BytesDone) / value.BytesDone);
        return $"{text}, {Words.Duration(left)} left";
    }
}
