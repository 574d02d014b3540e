using System.CommandLine;
using System.Globalization;

namespace LoraKit.Tool.Options;

/// <summary><c>--threads N</c>.</summary>
internal static class ThreadsOption
{
    private const int Most = 1024;

    /// <summary>The option; its value is 0 where it is not given: one thread per processor.</summary>
    public static Option<int> Create() => new("--threads")
    {
        Description = "How many threads to use (default: one per processor)",
        HelpName = "N",
        CustomParser = result =>
        {
            string text = result.Tokens[0].Value;
            if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int count) && count is >= 1 and <= Most) return count;
            result.AddError($"--threads: '{text}' is no number of threads; expected 1 to {Most}");
            return 0;
        },
    };
}
