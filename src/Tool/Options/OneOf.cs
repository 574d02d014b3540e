using System.CommandLine;
using LoraKit.Formats;

namespace LoraKit.Tool.Options;

/// <summary>Options of which at most one may be given.</summary>
internal static class OneOf
{
    /// <summary>The one that was given; null for none.</summary>
    /// <param name="given">What each option says, null where it is not given.</param>
    /// <param name="options">The options, in the same order.</param>
    /// <exception cref="InvalidOptionException">Several are given.</exception>
    public static T? Given<T>(IReadOnlyList<T?> given, IReadOnlyList<Option> options)
        where T : class
    {
        int[] set = [.. Enumerable.Range(0, given.Count).Where(i => given[i] is not null)];
        return set.Length switch
        {
            0 => null,
            1 => given[set[0]],
            _ => throw new InvalidOptionException($"{Names([.. set.Select(i => options[i])])} exclude each other; expected one of them"),
        };
    }

    public static string Names(IEnumerable<Option> options) => string.Join(", ", options.Select(o => o.Name));
}
