using System.Text;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>
/// Pattern keys that match one module of an adapter and no other: its path; where that is the end of another module's path, or an expression,
/// <c>^</c> and the path escaped.
/// </summary>
internal sealed class PlainKeys
{
    // A dot of a key is any character, so the ends are compared with all that is no letter or digit taken as one.
    private readonly HashSet<string> _ends = new(StringComparer.Ordinal);
    private readonly HashSet<string> _twins = new(StringComparer.Ordinal);

    /// <param name="modules">All modules of the adapter.</param>
    public PlainKeys(IEnumerable<string> modules)
    {
        HashSet<string> whole = new(StringComparer.Ordinal);
        foreach (string module in modules)
        {
            string folded = Folded(module);
            if (!whole.Add(folded)) _twins.Add(folded);
            for (int dot = module.IndexOf('.'); dot >= 0; dot = module.IndexOf('.', dot + 1))
            {
                _ends.Add(folded[(dot + 1)..]);
            }
        }
    }

    public string Of(string module)
    {
        string folded = Folded(module);
        bool isName = module.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '-');
        return isName && !_ends.Contains(folded) && !_twins.Contains(folded) ? module : "^" + Escaped(module);
    }

    private static string Folded(string module) => string.Create(module.Length, module, (folded, name) =>
    {
        for (int i = 0; i < folded.Length; i++)
        {
            folded[i] = char.IsAsciiLetterOrDigit(name[i]) ? name[i] : '.';
        }
    });

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
