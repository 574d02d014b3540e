namespace LoraKit.Formats.Layouts.Peft;

/// <summary>
/// One key of a pattern setting: <c>re.match(rf"(.*\.)?({key})$", module)</c>. Most keys in the wild are a module's name or the end of one,
/// hundreds of them to hundreds of modules, so plain ones are compared without a regex, and the others only where the end of the name fits.
/// </summary>
internal sealed class ModulePattern
{
    private readonly string? _plain;
    private readonly string _ending;
    private readonly PythonPattern? _pattern;

    /// <exception cref="FormatException">The expression is invalid or not supported.</exception>
    public ModulePattern(string key)
    {
        _plain = IsPlain(key) ? key : null;
        _pattern = _plain is null ? PythonPattern.Prefix($@"(.*\.)?({key})$") : null;
        // The key stands in one group; an alternative there could end in something else.
        _ending = _pattern?.ShallowestBranch > 1 ? EndingOf(key) : "";
    }

    /// <summary>Whether the key decides for a module.</summary>
    /// <exception cref="System.Text.RegularExpressions.RegexMatchTimeoutException">It takes too long.</exception>
    public bool IsMatch(string module)
    {
        // Python's $ also stands before a newline that ends the text.
        bool newline = module.EndsWith('\n');
        if (_plain is not null) return EndsInPlain(module, module.Length) || (newline && EndsInPlain(module, module.Length - 1));
        ReadOnlySpan<char> line = newline ? module.AsSpan(0, module.Length - 1) : module;
        return line.EndsWith(_ending, StringComparison.Ordinal) && _pattern!.IsMatch(module);
    }

    /// <summary>Names and dots, and a dot is any character but a newline.</summary>
    public static bool IsPlain(string key)
    {
        foreach (char c in key)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('_' or '.' or '-')) return false;
        }

        return true;
    }

    private bool EndsInPlain(string module, int end)
    {
        int start = end - _plain!.Length;
        if (start < 0 || (start > 0 && module[start - 1] != '.')) return false;
        for (int i = _plain.Length - 1; i >= 0; i--)
        {
            char c = module[start + i];
            if (_plain[i] == '.' ? c == '\n' : c != _plain[i]) return false;
        }

        return start == 0 || !module.AsSpan(0, start - 1).Contains('\n');
    }

    /// <summary>The letters that every match ends in; empty where that is not plain to see.</summary>
    private static string EndingOf(string key)
    {
        int start = key.Length;
        while (start > 0 && (char.IsAsciiLetterOrDigit(key[start - 1]) || key[start - 1] == '_')) start--;
        return start > 0 && key[start - 1] == '\\' ? "" : key[start..];
    }
}
