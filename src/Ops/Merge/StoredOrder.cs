using System.Runtime.InteropServices;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts.Gguf;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Targets;

namespace LoraKit.Ops.Merge;

/// <summary>New values of a weight as a GGUF file stores them: rows in llama.cpp's order, norms with their 1.</summary>
internal static class StoredOrder
{
    /// <param name="replacement">As the adapter has it.</param>
    /// <param name="target">Where it goes.</param>
    /// <returns>Null where the values are not rows of whole heads.</returns>
    public static Replacement? Of(Replacement replacement, Target target)
    {
        TensorValue values = replacement.Values;
        if (target.Heads is { } heads) return replacement.Rows is null && HeadRows.Fits(values.Shape, heads) ? With(HeadRows.Interleave(values, heads)) : null;
        return target.IsPlusOne && values.DType.IsMergeable() ? With(PlusOne(values)) : replacement;

        Replacement With(TensorValue stored) => new(replacement.Target, stored, replacement.Rows, replacement.Reason);
    }

    private static ComputedTensor PlusOne(TensorValue values) => new(values.Name, DType.F64, values.Shape, (start, destination) =>
    {
        int first = (int)(start / sizeof(double)), skip = (int)(start % sizeof(double)), count = (skip + destination.Length + sizeof(double) - 1) / sizeof(double);
        byte[] stored = new byte[count * values.DType.Bytes()];
        double[] doubles = new double[count];
        values.ReadBytes((long)first * values.DType.Bytes(), stored);
        FloatConvert.ToDoubles(values.DType, stored, doubles);
        for (int i = 0; i < count; i++)
        {
            doubles[i]++;
        }

        MemoryMarshal.AsBytes<double>(doubles).Slice(skip, destination.Length).CopyTo(destination);
    });
}
