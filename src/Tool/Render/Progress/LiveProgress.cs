using LoraKit.Ops;
using Spectre.Console;

namespace LoraKit.Tool.Render.Progress;

/// <summary>A bar that is redrawn on one line: bytes, rate, time left, current tensor. It vanishes when the operation ends.</summary>
internal static class LiveProgress
{
    private const int BarWidth = 12;
    private const int ShortestName = 12;

    // The bar, the percentage, and the blanks between them and the words.
    private const int BesideWords = BarWidth + 8;

    public static T Run<T>(ToolEnvironment environment, string title, Func<IProgress<OpProgress>?, T> operation)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            Interactive = InteractionSupport.Yes,
            ColorSystem = string.IsNullOrEmpty(environment.Variable("NO_COLOR")) ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Out = new AnsiConsoleOutput(environment.Messages),
        });
        return console.Progress()
            .AutoClear(true)
            .Columns(new ProgressBarColumn { Width = BarWidth }, new PercentageColumn(), new TaskDescriptionColumn { Alignment = Justify.Left })
            .Start(context =>
            {
                ProgressTask task = context.AddTask(Markup.Escape(title), maxValue: 1);
                return operation(new Bar(task, environment.Clock, console.Profile.Width - BesideWords));
            });
    }

    /// <summary>Numbers first, then as much of the end of the name as there is room for: it tells more than the beginning.</summary>
    internal static string Line(OpProgress value, TimeSpan elapsed, int width)
    {
        string numbers = ProgressText.Of(value, elapsed);
        string name = TerminalText.Escape(value.Current);
        int room = width - numbers.Length - 2;
        if (name.Length > room) name = room < ShortestName ? "" : "…" + name[^(room - 1)..];
        string line = name.Length == 0 ? numbers : $"{numbers}  {name}";
        return line.Length > width ? line[..Math.Max(width, 0)] : line;
    }

    private sealed class Bar(ProgressTask task, TimeProvider clock, int width) : IProgress<OpProgress>
    {
        private static readonly TimeSpan Refresh = TimeSpan.FromMilliseconds(100);

        private readonly Lock _lock = new();
        private readonly long _start = clock.GetTimestamp();
        private TimeSpan _shown = -Refresh;

        public void Report(OpProgress value)
        {
            if (value.BytesTotal <= 0) return;
            lock (_lock)
            {
                TimeSpan elapsed = clock.GetElapsedTime(_start);
                if (elapsed - _shown < Refresh || value.BytesDone < task.Value) return;
                _shown = elapsed;
                task.MaxValue = value.BytesTotal;
                task.Value = value.BytesDone;
                task.Description = Markup.Escape(Line(value, elapsed, width));
            }
        }
    }
}
