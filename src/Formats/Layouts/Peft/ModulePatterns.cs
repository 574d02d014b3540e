using System.Diagnostics;
using System.Text.RegularExpressions;
using LoraKit.Formats.Files;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>
/// <c>rank_pattern</c> or <c>alpha_pattern</c>: PEFT's rule for which entry a module takes. In file order, the first key for which
/// <c>re.match(rf"(.*\.)?({key})$", module)</c> holds; else the key that is the module's name itself; else none.
/// </summary>
internal sealed class ModulePatterns<T>
{
    // Every pattern is tried on every module; a file with absurdly many of both must not keep us for ever.
    private static readonly TimeSpan TimeBudget = TimeSpan.FromSeconds(10);

    private readonly string _setting;
    private readonly string? _file;
    private readonly IReadOnlyList<KeyValuePair<string, T>> _entries;
    private readonly ModulePattern?[] _compiled;
    private readonly bool[] _used;
    private readonly Dictionary<string, int> _literal = new(StringComparer.Ordinal);
    private readonly Stopwatch _spent = new();

    public ModulePatterns(string setting, string? file, IReadOnlyList<KeyValuePair<string, T>> entries)
    {
        _setting = setting;
        _file = file;
        _entries = entries;
        _compiled = new ModulePattern?[entries.Count];
        _used = new bool[entries.Count];
        for (int i = 0; i < entries.Count; i++)
        {
            _literal[entries[i].Key] = i;
        }
    }

    /// <summary>The keys that no module has taken so far, in file order.</summary>
    public IEnumerable<string> Unused => _entries.Where((_, i) => !_used[i]).Select(entry => entry.Key);

    /// <summary>The entry that decides for a module; null where none does.</summary>
    /// <exception cref="InvalidAdapterException">A pattern is invalid, or takes too long to match.</exception>
    public KeyValuePair<string, T>? Find(string module)
    {
        int index = FirstMatch(module);
        if (index < 0 && !_literal.TryGetValue(module, out index)) return null;
        _used[index] = true;
        return _entries[index];
    }

    private int FirstMatch(string module)
    {
        int index = 0;
        if (_spent.Elapsed > TimeBudget) throw Refuse(index, "the patterns together take too long to match");
        _spent.Start();
        try
        {
            for (; index < _entries.Count; index++)
            {
                ModulePattern pattern = _compiled[index] ??= new ModulePattern(_entries[index].Key);
                if (pattern.IsMatch(module)) return index;
            }

            return -1;
        }
        catch (FormatException invalid)
        {
            throw Refuse(index, invalid.Message, invalid);
        }
        catch (RegexMatchTimeoutException timeout)
        {
            throw Refuse(index, $"it takes too long to match '{Printable.Text(module)}'", timeout);
        }
        finally
        {
            _spent.Stop();
        }
    }

    private InvalidAdapterException Refuse(int index, string why, Exception? cause = null) => new(
        $"{Printable.Text(_file ?? AdapterConfigFile.Name)}: {_setting} '{Printable.Text(_entries[index].Key)}' cannot be used: "
        + $"{why}", _file, cause: cause);
}
