using LoraKit.Formats;
using LoraKit.Formats.Files;
using LoraKit.Ops.Stack.Elements;
using LoraKit.Ops.Stack.Factors;

namespace LoraKit.Ops.Stack;

/// <summary>The one list of methods. See spec/algebra.md, "stack".</summary>
public static class StackMethods
{
    /// <summary>Every method.</summary>
    public static IReadOnlyList<StackMethod> All { get; } =
    [
        new Concatenation(), new LinearSum(), new TruncatedSum(),
        new Ties(), new DareLinear(), new DareTies(), new MagnitudePrune(), new Della(), new Breadcrumbs(), new SelectCalculateErase(),
        new Knots(), new TaskSingularVectors(), new Isotropic(),
    ];

    /// <summary>The method of a name.</summary>
    /// <exception cref="InvalidOptionException">There is none; the message lists those that are.</exception>
    public static StackMethod Named(string name) => All.FirstOrDefault(method => method.Name == name)
        ?? throw new InvalidOptionException(
            $"'{Printable.Text(name)}' is no method of stack; expected one of {string.Join(", ", All.Select(method => method.Name))}");
}
