using LoraKit.Ops;
using LoraKit.Tool.Options;

namespace LoraKit.Tool.Render.Progress;

/// <summary>Shows how far an operation has come, on stderr: redrawn on a terminal, as milestones elsewhere, not at all when quiet.</summary>
internal static class ProgressDisplay
{
    /// <summary>Runs an operation with a display around it.</summary>
    /// <param name="environment">Where to, and the clock.</param>
    /// <param name="output">Whether to show anything.</param>
    /// <param name="title">What is being done: <c>merging</c>.</param>
    /// <param name="operation">The operation; it reports to what it is given, from any thread.</param>
    public static T Run<T>(ToolEnvironment environment, OutputSettings output, string title, Func<IProgress<OpProgress>?, T> operation)
    {
        if (output.Quiet) return operation(null);
        return environment.IsInteractive
            ? LiveProgress.Run(environment, title, operation)
            : operation(new MilestoneProgress(environment.Messages, environment.Clock, title));
    }
}
