using LoraKit.Ops;
using LoraKit.Tool.Render.Progress;

namespace LoraKit.Tool.Tests.Render;

public sealed class MilestoneProgressTests
{
    [Fact]
    public void SaysEachTenthOnce()
    {
        string[] lines = Lines((progress, clock) =>
        {
            for (int i = 0; i <= 1000; i++)
            {
                clock.Advance(TimeSpan.FromMilliseconds(20));
                progress.Report(new OpProgress(i, 1000, "t"));
            }
        });
        Assert.Equal(10, lines.Length);
        Assert.StartsWith("merging: 10 % (100 B of 1.0 kB", lines[0]);
        Assert.StartsWith("merging: 100 % (1.0 kB of 1.0 kB", lines[^1]);
    }

    [Fact]
    public void IsSilentWhereAllIsDoneAtOnce()
    {
        string[] lines = Lines((progress, clock) =>
        {
            for (int i = 0; i <= 1000; i++)
            {
                clock.Advance(TimeSpan.FromMicroseconds(900));
                progress.Report(new OpProgress(i, 1000, "t"));
            }
        });
        Assert.Empty(lines);
    }

    [Fact]
    public void SaysSomethingEveryHalfMinute()
    {
        string[] lines = Lines((progress, clock) =>
        {
            progress.Report(new OpProgress(1, 1000, "first"));
            clock.Advance(TimeSpan.FromSeconds(29));
            progress.Report(new OpProgress(2, 1000, "second"));
            clock.Advance(TimeSpan.FromSeconds(1));
            progress.Report(new OpProgress(3, 1000, "third"));
        });
        Assert.Contains("third", Assert.Single(lines));
    }

    [Fact]
    public void TellsRateAndTimeLeft()
    {
        string[] lines = Lines((progress, clock) =>
        {
            clock.Advance(TimeSpan.FromSeconds(10));
            progress.Report(new OpProgress(100, 1000, "a\u001b[0m"));
        });
        Assert.Equal("merging: 10 % (100 B of 1.0 kB, 10 B/s, 1 min 30 s left, a\\u001b[0m)", Assert.Single(lines));
    }

    [Fact]
    public void DoesNotGoBack()
    {
        string[] lines = Lines((progress, clock) =>
        {
            clock.Advance(TimeSpan.FromSeconds(2));
            progress.Report(new OpProgress(500, 1000, "t"));
            clock.Advance(TimeSpan.FromSeconds(2));
            progress.Report(new OpProgress(400, 1000, "t"));
            progress.Report(new OpProgress(510, 1000, "t"));
        });
        Assert.Single(lines);
    }

    private static string[] Lines(Action<MilestoneProgress, TestClock> report)
    {
        using StringWriter messages = new();
        TestClock clock = new();
        report(new MilestoneProgress(messages, clock, "merging"), clock);
        return messages.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    private sealed class TestClock : TimeProvider
    {
        private long _now;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _now;

        public void Advance(TimeSpan time) => _now += time.Ticks;
    }
}
