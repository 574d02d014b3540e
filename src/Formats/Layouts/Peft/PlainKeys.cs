using System.Text;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>
/// Pattern keys that match one module of an adapter and no other: its path; where that matches another module too, or is an expression,
/// <c>^</c> and the path escaped.
/// </summary>
internal sealed class PlainKeys(IReadOnlyList<string> modules)
{
    /// <param name="module">One of the modules.</param>
    public string Of(string module) => ModulePattern.IsPlain(module) && MatchesNoOther(module) ? module : "^" + Escaped(module);

    // By the rule that readers go by: a path also matches what ends in it, and its dots are any characters.
    private bool MatchesNoOther(string module)
    {
        ModulePattern pattern = new(module);
        return modules.All(other => other == module || !pattern.IsMatch(other));
    }

    private static string Escaped(string module)
    {
        StringBuilder escaped = new(module.Length + 8);
        foreach (char c in module)
        {
            if (char.IsAscii(c) && !char.IsAsciiLetterOrDigit(c) && c != '_') escaped.Append('\\');
            escaped.Append(c);
        }

        return escaped.ToString();
    }
}
