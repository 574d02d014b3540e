using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Targets;

namespace LoraKit.Ops.Merge;

/// <summary>Updates of single experts in a stack of all, and updates of a stack on single experts: where each lands. See spec/algebra.md, "Experts".</summary>
internal static class ExpertPlacement
{
    /// <summary>The region of a stack [E, …, …] that an expert's weight is, and whether it is stored transposed.</summary>
    /// <param name="place">Which expert, and which of its outputs.</param>
    /// <param name="stack">The stack's shape.</param>
    /// <param name="inOut">Whether it is [E, in, out].</param>
    /// <returns>Null where the stack has no such expert, or an odd number of outputs to halve.</returns>
    public static Region? RegionOf(ExpertPlace place, TensorShape stack, bool inOut)
    {
        if (stack.Rank != 3 || place.Expert >= stack[0]) return null;
        long outputs = stack[inOut ? 2 : 1], first = 0;
        if (place.Half is { } half)
        {
            if (outputs % 2 != 0) return null;
            outputs /= 2;
            first = half * outputs;
        }

        long row = place.Expert * stack[1];
        Region region = inOut ? new(2, row, stack[1], first, outputs) : new(2, row + first, outputs, 0, stack[2]);
        return region.IsIn(stack) ? region : null;
    }

    /// <summary>The stack's shape that a base's single experts would make, [E, out, in]; null where they are not alike.</summary>
    /// <param name="tensors">Their names.</param>
    /// <param name="experts">E.</param>
    /// <param name="shapeOf">The shape of a tensor; null where the base has none.</param>
    public static TensorShape? StackOf(ExpertTensors tensors, long experts, Func<string, TensorShape?> shapeOf)
    {
        long outputs = 0, inputs = -1;
        foreach (string leaf in tensors.Leaves)
        {
            if (shapeOf(tensors.Name(0, leaf)) is not { Rank: 2 } shape || (inputs >= 0 && shape[1] != inputs)) return null;
            for (long expert = 1; expert < experts; expert++)
            {
                if (shapeOf(tensors.Name(expert, leaf)) != shape) return null;
            }

            if (shapeOf(tensors.Name(experts, leaf)) is not null) return null;
            outputs += shape[0];
            inputs = shape[1];
        }

        return new(experts, outputs, inputs);
    }

    /// <summary>The shape of a stack of the outputs of several, [E, out, in]; null where they are not alike.</summary>
    /// <param name="stacks">Each [E, out, in].</param>
    public static TensorShape? OneStack(TensorShape[] stacks) =>
        stacks.All(stack => stack.Rank == 3 && stack[0] == stacks[0][0] && stack[2] == stacks[0][2]) ? new(stacks[0][0], stacks.Sum(stack => stack[1]), stacks[0][2]) : null;

    /// <summary>A stack's update as those of single experts.</summary>
    /// <param name="delta">The update, which fits the stack that <see cref="StackOf"/> tells.</param>
    /// <param name="tensors">The experts' names.</param>
    /// <param name="turned">Whether the file takes the experts' weights for [in, out].</param>
    /// <param name="outputsOf">Outputs of a tensor.</param>
    public static IEnumerable<(string Tensor, LowRankDelta Delta, ExpertPart Part)> Split(ExpertsDelta delta, ExpertTensors tensors, bool turned, Func<string, long> outputsOf)
    {
        for (long expert = 0; expert < delta.Experts; expert++)
        {
            long first = 0;
            foreach (string leaf in tensors.Leaves)
            {
                string tensor = tensors.Name(expert, leaf);
                ExpertPart part = new(expert, first, outputsOf(tensor), turned);
                yield return (tensor, delta.Expert(new(new ModuleName(tensor[..^".weight".Length]), "weight"), part), part);
                first += part.Outputs;
            }
        }
    }
}
