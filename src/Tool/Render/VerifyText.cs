using LoraKit.Ops.Verify;

namespace LoraKit.Tool.Render;

/// <summary>A verification for people.</summary>
internal static class VerifyText
{
    public static void Write(TextWriter output, string path, Verification result)
    {
        foreach (VerifyFinding finding in result.Findings)
        {
            output.WriteLine(TerminalText.Escape($"{finding.Code}: {finding.Message}"));
        }

        string merge = result.WrongElements is { } wrong
            ? $"; {(wrong == 0 ? "every one is the F64 result, rounded once" : $"{Words.Count(wrong)} not the F64 result rounded once, by {(result.MaxUlp is { } ulp ? Words.Count((long)Math.Min(ulp, long.MaxValue), "ulp") : "NaN")} at most")}"
            : "";
        output.WriteLine(TerminalText.Escape(result.Valid
            ? $"'{path}' is valid; {Words.Count(result.CheckedElements, "value")} checked{merge}"
            : $"'{path}' is not valid: {Words.Count(result.Findings.Count, "finding")}{merge}"));
    }
}
