using System.Text;

namespace LoraKit.Formats.Pickle;

/// <summary>Python's plain containers that pickles make by calling their names.</summary>
internal static class PlainGlobals
{
    /// <summary>What a name stands for; null where it is no plain container.</summary>
    public static PickleGlobal? Find(string name) => name switch
    {
        "collections.OrderedDict" => new(name, OrderedDict),
        "builtins.set" or "__builtin__.set" or "builtins.frozenset" or "__builtin__.frozenset" or "builtins.list" or "__builtin__.list" => new(name, List),
        "builtins.bytearray" or "__builtin__.bytearray" or "builtins.bytes" or "__builtin__.bytes" => new(name, Bytes),
        "_codecs.encode" => new(name, Encode),
        _ => null,
    };

    private static PickleDict? OrderedDict(object?[] arguments)
    {
        PickleDict dict = new();
        if (arguments is []) return dict;
        if (arguments is not [List<object?> pairs]) return null;
        foreach (object? pair in pairs)
        {
            switch (pair)
            {
                case object?[] { Length: 2 } tuple: dict.Set(tuple[0], tuple[1]); break;
                case List<object?> { Count: 2 } list: dict.Set(list[0], list[1]); break;
                default: return null;
            }
        }

        return dict;
    }

    private static List<object?>? List(object?[] arguments) => arguments switch
    {
        [] => [],
        [List<object?> items] => items,
        _ => null,
    };

    private static byte[]? Bytes(object?[] arguments) => arguments switch
    {
        [] => [],
        [byte[] bytes] => bytes,
        _ => null,
    };

    // How protocol 2 spells bytes: a text of which each character is one.
    private static byte[]? Encode(object?[] arguments) =>
        arguments is [string text, "latin1"] && text.All(c => c <= byte.MaxValue) ? Encoding.Latin1.GetBytes(text) : null;
}
