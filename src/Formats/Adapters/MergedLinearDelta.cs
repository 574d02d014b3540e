using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// The old MergedLinear: LoRA on some of the equal parts that one weight is made of (queries, keys, values). B is a grouped 1×1 convolution: each
/// group of its rows has its own rows of A. ΔW = Scale · B̂ · A with B's rows at the enabled parts and at their group's columns, zeros
/// elsewhere. Source: loralib; PEFT before 0.3. See spec/algebra.md, "MergedLinear".
/// </summary>
public sealed class MergedLinearDelta : FactoredDelta
{
    private readonly IReadOnlyList<TensorValue> _tensors;
    private readonly DeltaFacts _facts;

    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="down">A: [r · enabled parts, in].</param>
    /// <param name="up">B: [out · enabled / parts, rows of A in a group, 1].</param>
    /// <param name="enabled">Which parts are updated.</param>
    /// <param name="scale">The resolved multiplier; finite.</param>
    /// <param name="alpha">What the file says alpha is, for reports.</param>
    /// <exception cref="InvalidAdapterException">A tensor has no real values, no part is enabled, or groups and parts do not divide the rows.</exception>
    public MergedLinearDelta(ParameterName target, TensorValue down, TensorValue up, IReadOnlyList<bool> enabled, double scale, double alpha)
        : base(target, down, Spread(target, down, up, enabled), scale)
    {
        _tensors = [down, up];
        _facts = new(Rank / enabled.Count(part => part), alpha, scale);
    }

    /// <inheritdoc/>
    public override string Kind => "lora";

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => _tensors;

    /// <inheritdoc/>
    public override DeltaFacts Facts => _facts;

    private static RowTensor Spread(ParameterName target, TensorValue down, TensorValue up, IReadOnlyList<bool> enabled)
    {
        RequireValues(target, down);
        RequireValues(target, up);
        int count = enabled.Count(part => part);
        bool isPlain = down.Shape.Rank == 2 && up.Shape.Rank == 3 && up.Shape[2] == 1 && count > 0;
        if (!isPlain || down.Shape[0] % up.Shape[1] != 0 || up.Shape[0] % count != 0 || up.Shape[0] % (down.Shape[0] / up.Shape[1]) != 0)
        {
            throw Unfit(target, up, $"A {down.Shape} and B {up.Shape} are no update of {count} of {enabled.Count} parts; expected A [r · {count}, in] and B [out · {count}/{enabled.Count}, r · {count} / groups, 1]");
        }

        (long rank, long width) = (down.Shape[0], up.Shape[1]);
        long part = up.Shape[0] / count, outputs = part * enabled.Count, groupRows = up.Shape[0] / (rank / width);
        if (!RowTensor.Fits(outputs, rank)) throw Unfit(target, up, $"B of [{outputs}, {rank}] does not fit in memory");
        long[] places = new long[enabled.Count];
        for (int i = 0, next = 0; i < places.Length; i++)
        {
            places[i] = enabled[i] ? next++ : -1;
        }

        return new(up.Name, new(outputs, rank), [up], () =>
        {
            double[] values = up.ToDoubles();
            return (row, result) =>
            {
                result.Clear();
                if (places[row / part] < 0) return;
                long stored = (places[row / part] * part) + (row % part);
                values.AsSpan((int)(stored * width), (int)width).CopyTo(result[(int)(stored / groupRows * width)..]);
            };
        });
    }
}
