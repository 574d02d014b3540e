using LoraKit.Formats;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Stack;

/// <summary>Reads a module's factors and folds weight and scale into B, in F64.</summary>
internal static class TaskReader
{
    /// <exception cref="NonFiniteException">A factor holds NaN or infinity, or its scale takes it beyond F64.</exception>
    public static IReadOnlyList<TaskUpdate> Read(StackedModule module) => [.. module.Parts.Select(Read)];

    /// <summary>The element type of what was read: theirs where all agree, else the wider of F32 and F64.</summary>
    public static DType Type(IEnumerable<TensorValue> tensors)
    {
        DType[] types = [.. tensors.Select(tensor => tensor.DType).Distinct()];
        return types.Length == 1 ? types[0] : types.Contains(DType.F64) ? DType.F64 : DType.F32;
    }

    private static TaskUpdate Read(StackedPart part)
    {
        LowRankProduct product = DeltaProduct.Of(part.Delta, part.Weight * part.Delta.Scale);
        (int rows, int columns, int rank) = ((int)product.Rows, product.Columns, product.Rank);
        return new(part.Adapter, new Matrix(rows, rank, product.LeftDouble!), new Matrix(rank, columns, product.RightDouble!));
    }
}
