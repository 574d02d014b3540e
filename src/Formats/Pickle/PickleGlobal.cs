namespace LoraKit.Formats.Pickle;

/// <summary>A name that a pickle may mention, and what it stands for here. Python's own object is never made.</summary>
/// <param name="Name">As Python spells it: <c>torch._utils._rebuild_tensor_v2</c>.</param>
/// <param name="Call">What a call of it gives, null where the arguments are not what is expected; null itself where it is not called.</param>
/// <param name="Value">What it is where it stands as an argument; null where it is only called.</param>
internal sealed record PickleGlobal(string Name, Func<object?[], object?>? Call = null, object? Value = null);

/// <summary>The names beyond plain containers that a kind of pickle may mention.</summary>
internal interface IPickleVocabulary
{
    /// <summary>What a name stands for; null where it is refused.</summary>
    PickleGlobal? Find(string name);

    /// <summary>What a reference to something outside the pickle stands for; null where it makes no sense.</summary>
    object? Persistent(object? id);
}
