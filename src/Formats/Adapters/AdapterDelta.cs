using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// The update of one parameter. A closed family: one class per kind, each in its own file. Where a kind's contribution to a tensor
/// is needed, Ops asks for rows of it, so that every merge runs in row tiles.
/// </summary>
public abstract class AdapterDelta
{
    private protected AdapterDelta(ParameterName target) => Target = target;

    /// <summary>What it updates.</summary>
    public ParameterName Target { get; }

    /// <summary>The kind in the field's words: <c>lora</c>, <c>dense</c>, …</summary>
    public abstract string Kind { get; }

    /// <summary>The tensors it is made of, for inspection and for finding NaN.</summary>
    public abstract IReadOnlyList<TensorValue> Tensors { get; }

    /// <summary>An update is made of real numbers, and of at least one: an empty size would also defeat the checks of the others.</summary>
    internal static void RequireValues(ParameterName target, TensorValue tensor)
    {
        if (!tensor.DType.IsMergeable())
        {
            throw new InvalidAdapterException(
                $"{Where(target, tensor)}: tensor '{Printable.Text(tensor.Name)}' is stored as "
                + $"{tensor.DType.FileName()}; expected a float type (F32, BF16, F16, …)",
                tensor.File, tensor.Name);
        }

        if (tensor.Shape.ElementCount == 0)
        {
            throw new InvalidAdapterException(
                $"{Where(target, tensor)}: tensor '{Printable.Text(tensor.Name)}' of shape {tensor.Shape} is "
                + "empty", tensor.File, tensor.Name);
        }
    }

    /// <summary>The file, where there is one, and the module: how messages begin.</summary>
    private protected static string Where(ParameterName target, TensorValue tensor)
    {
        string module = $"module '{Printable.Text(target.Module.Path)}'";
        return tensor.File is { } file ? $"{Printable.Text(file)}: {module}" : module;
    }
}
