using LoraKit.Formats;
using LoraKit.Formats.Files;

namespace LoraKit.Ops.Stack;

/// <summary>
/// What the modules of a stack take while they are worked on. Under the user's cap, as many at once as fit; above it one at a time, with a
/// warning; a module that the machine has no memory for stops the plan.
/// </summary>
internal sealed class StackMemory
{
    private readonly IReadOnlyList<(StackedModule Module, long Bytes)> _modules;
    private readonly long _cap;
    private readonly string _advice;

    /// <param name="modules">The modules; those that cannot be worked on at all are refused.</param>
    /// <param name="stacker">What works on them.</param>
    /// <param name="cap">The user's, in bytes.</param>
    /// <exception cref="LoraKitException">As <see cref="IModuleStacker.Check"/>.</exception>
    public StackMemory(IReadOnlyList<StackedModule> modules, IModuleStacker stacker, long cap)
    {
        foreach (StackedModule module in modules) stacker.Check(module);
        _modules = [.. modules.Select(module => (module, stacker.WorkingBytes(module))).OrderByDescending(m => m.Item2)];
        (_cap, _advice) = (cap, stacker.LessMemory);
    }

    /// <summary>Of the largest module, in bytes.</summary>
    public long Largest => _modules.Count == 0 ? 0 : _modules[0].Bytes;

    /// <summary>That one module takes more than the cap, and what takes less; null where none does.</summary>
    public string? Warning => Largest <= _cap ? null
        : $"module {_modules[0].Module.Target.Label} takes {Size(Largest)} of memory, more than the cap of {Size(_cap)}; {_advice}";

    /// <summary>How many modules are worked on at once: as many of the largest as fit, and one in any case.</summary>
    public int Threads(int wanted)
    {
        long left = _cap;
        return Math.Max(1, _modules.Take(wanted).TakeWhile(m => (left -= m.Bytes) >= 0).Count());
    }

    /// <exception cref="UnsupportedException">The largest module takes more than there is.</exception>
    public void RequireWithin(long machine)
    {
        if (Largest <= machine) return;
        StackedModule module = _modules[0].Module;
        throw new UnsupportedException(
            $"module '{Printable.Text(module.Target.Label)}' ({module.Rows} × {module.Columns}) takes {Size(Largest)} of memory, more than the {Size(machine)} that there are; "
            + _advice, tensor: module.Target.Path);
    }

    private static string Size(long bytes) => FormattableString.Invariant($"{bytes / 1e6:0.#} MB");
}
