using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// Values that take the base's place before any update is added: a module trained in full (<c>modules_to_save</c>), an embedding saved
/// whole, a trained bias, rows of single tokens.
/// </summary>
/// <param name="Target">What is replaced.</param>
/// <param name="Values">The new values: the whole tensor, or one row per entry of <paramref name="Rows"/>.</param>
/// <param name="Rows">The rows of the base that are replaced; null replaces the tensor, whose first size may then grow.</param>
/// <param name="Reason">Why it is there, in the layout's words: <c>modules_to_save</c>, <c>bias</c>, <c>trainable_tokens</c>, …</param>
public sealed record Replacement(ParameterName Target, TensorValue Values, IReadOnlyList<long>? Rows, string Reason);
