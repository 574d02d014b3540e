using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Pickle;

/// <summary>A storage as a pickle refers to it.</summary>
/// <param name="Key">Its name in the file.</param>
/// <param name="DType">Of its elements; for an untyped one U8.</param>
/// <param name="Elements">How many it says there are.</param>
/// <param name="First">Where it begins in the storage of that key: more than 0 for a view, which only old files have.</param>
internal sealed record TorchStorage(string Key, DType DType, long Elements, long First = 0);

/// <summary>A tensor as a pickle describes it; nothing of it has been checked.</summary>
internal sealed record TorchTensor(TorchStorage Storage, DType DType, long First, long[] Sizes, long[] Strides);
