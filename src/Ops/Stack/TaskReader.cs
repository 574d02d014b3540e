using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Merge;

namespace LoraKit.Ops.Stack;

/// <summary>Reads a module's factors and folds weight and scale into B, in F64.</summary>
internal static class TaskReader
{
    /// <exception cref="NonFiniteException">A factor holds NaN or infinity, or its scale takes it beyond F64.</exception>
    /// <exception cref="UnsupportedException">The factors together are more than an array holds.</exception>
    public static IReadOnlyList<TaskUpdate> Read(StackedModule module)
    {
        if (module.SumOfRanks * Math.Max((long)module.Rows, module.Columns) > Array.MaxLength)
        {
            throw new UnsupportedException(
                $"module '{Printable.Text(module.Target.Path)}': ranks of {module.SumOfRanks} in all on {module.Rows} × {module.Columns} are more than "
                + "fit in memory; reduce the adapters' ranks first", tensor: module.Target.Path);
        }

        return [.. module.Parts.Select(part => new TaskUpdate(part.Adapter, Up(part), Down(part.Delta)))];
    }

    /// <summary>The element type of what was read: theirs where all agree, else the wider of F32 and F64.</summary>
    public static DType Type(IEnumerable<TensorValue> tensors)
    {
        DType[] types = [.. tensors.Select(tensor => tensor.DType).Distinct()];
        return types.Length == 1 ? types[0] : types.Contains(DType.F64) ? DType.F64 : DType.F32;
    }

    /// <summary>All values times a scale.</summary>
    public static double[] Scaled(TensorValue tensor, double scale)
    {
        double[] values = FiniteValues.Require(tensor.ToDoubles(), tensor);
        for (int i = 0; i < values.Length; i++)
        {
            values[i] *= scale;
            if (!double.IsFinite(values[i])) throw FiniteValues.Overflow(tensor, scale, "F64");
        }

        return values;
    }

    private static Matrix Up(StackedPart part) => new(
        (int)part.Delta.OutFeatures, (int)part.Delta.Rank, Scaled(part.Delta.Up, part.Weight * part.Delta.Scale));

    private static Matrix Down(LowRankDelta delta) =>
        new((int)delta.Rank, (int)delta.InFeatures, FiniteValues.Require(delta.Down.ToDoubles(), delta.Down));
}
