using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Factors;

/// <summary>A tensor's name, taken apart.</summary>
/// <param name="Tensor">The tensor.</param>
/// <param name="Role">What it is to its module.</param>
/// <param name="Module">The module, as the layout's page says.</param>
/// <param name="Note">For refused tensors: what they belong to.</param>
internal sealed record FactorKey(TensorInfo Tensor, FactorRole Role, ModuleName Module, string? Note = null)
{
    /// <summary>Whether it is one of a pair.</summary>
    public bool IsFactor => Role is FactorRole.Down or FactorRole.Up;
}
