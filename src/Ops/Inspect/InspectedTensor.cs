using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Inspect;

/// <summary>A tensor that is no update.</summary>
/// <param name="Name">What it replaces in the base model, or its name in the file.</param>
/// <param name="Kind">Why it is there: <c>modules_to_save</c>, <c>bias</c>, <c>trainable_tokens</c>, …; <c>tensor</c> where nothing is made of it.</param>
/// <param name="DType">Its element type, in the file's spelling.</param>
/// <param name="Shape">Its shape.</param>
public sealed record InspectedTensor(string Name, string Kind, string DType, TensorShape Shape);
