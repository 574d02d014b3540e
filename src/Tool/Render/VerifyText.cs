using LoraKit.Ops.Verify;

namespace LoraKit.Tool.Render;

/// <summary>A verification for people: what was found, of a long list the first lines, then the verdict.</summary>
internal static class VerifyText
{
    private const int MostShown = 20;

    public static void Write(TextWriter output, string path, Verification result, bool everything)
    {
        int left = everything ? 0 : Math.Max(0, result.Findings.Count - MostShown);
        foreach (VerifyFinding finding in result.Findings.Take(result.Findings.Count - left))
        {
            output.WriteLine(TerminalText.Escape($"{finding.Code}: {finding.Message}"));
        }

        if (left > 0) output.WriteLine(Words.More(left));
        string checkedValues = $"{Words.Count(result.CheckedElements, "value")} checked{Merge(result)}";
        output.WriteLine(TerminalText.Escape(result.Valid
            ? $"'{path}' is valid; {checkedValues}"
            : $"'{path}' is not valid: {Words.Count(result.Findings.Count, "finding")}; {checkedValues}"));
    }

    private static string Merge(Verification result) => result.WrongElements switch
    {
        null => "",
        0 => "; every one is the F64 result, rounded once",
        { } wrong => $"; {Words.Count(wrong)} not the F64 result rounded once{(result.MaxUlp is { } ulp ? $", by {Words.Count((long)Math.Min(ulp, long.MaxValue), "ulp")} at most" : "")}",
    };
}
