using LoraKit.Ops;
using Spectre.Console;

namespace LoraKit.Tool.Render.Progress;

/// <summary>A bar that is redrawn: bytes, rate, time left, current tensor. It vanishes when the operation ends.</summary>
internal static class LiveProgress
{
    private const int LongestName = 48;

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
            .Columns(
                new ProgressBarColumn(), new PercentageColumn(), new DownloadedColumn(), new TransferSpeedColumn(), new RemainingTimeColumn(),
                new TaskDescriptionColumn { Alignment = Justify.Left })
            .Start(context =>
            {
                ProgressTask task = context.AddTask(Markup.Escape(title), maxValue: 1);
                return operation(new Bar(task, title));
            });
    }

    private sealed class Bar(ProgressTask task, string title) : IProgress<OpProgress>
    {
        private readonly Lock _lock = new();
        private string? _current;

        public void Report(OpProgress value)
        {
            if (value.BytesTotal <= 0) return;
            lock (_lock)
            {
                task.MaxValue = value.BytesTotal;
                task.Value = Math.Max(task.Value, value.BytesDone);
                if (value.Current == _current) return;
                _current = value.Current;
                string name = TerminalText.Escape(value.Current);
                // The end of a name tells more than its beginning.
                if (name.Length > LongestName) name = "…" + name[^(LongestName - 1)..];
                task.Description = Markup.Escape($"{title} {name}");
            }
        }
    }
}
