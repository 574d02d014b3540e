using LoraKit.Ops;

namespace LoraKit.Tool.Render.Progress;

/// <summary>Lines for a log: one per tenth of the way but not more than one a second, and one after half a minute without.</summary>
internal sealed class MilestoneProgress : IProgress<OpProgress>
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly TextWriter _messages;
    private readonly TimeProvider _clock;
    private readonly string _title;
    private readonly long _start;
    private readonly Lock _lock = new();
    private long _lastTime;
    private long _lastTenth;
    private long _lastBytes;

    public MilestoneProgress(TextWriter messages, TimeProvider clock, string title)
    {
        (_messages, _clock, _title) = (messages, clock, title);
        _start = _lastTime = clock.GetTimestamp();
    }

    public void Report(OpProgress value)
    {
        if (value.BytesTotal <= 0) return;
        lock (_lock)
        {
            // Reports of several threads may come out of order.
            if (value.BytesDone <= _lastBytes) return;
            _lastBytes = value.BytesDone;
            long tenth = (long)(10.0 * value.BytesDone / value.BytesTotal);
            long now = _clock.GetTimestamp();
            if (_clock.GetElapsedTime(_lastTime, now) < (tenth > _lastTenth ? Pause : Patience)) return;
            (_lastTenth, _lastTime) = (tenth, now);
            Write(value, _clock.GetElapsedTime(_start, now));
        }
    }

    private void Write(OpProgress value, TimeSpan elapsed)
    {
        string current = value.BytesDone < value.BytesTotal ? $", {TerminalText.Escape(value.Current)}" : "";
        _messages.WriteLine($"{_title}: {(int)(100.0 * value.BytesDone / value.BytesTotal)} % ({ProgressText.Of(value, elapsed)}{current})");
        _messages.Flush();
    }
}
