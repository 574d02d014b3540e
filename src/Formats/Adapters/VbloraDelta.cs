using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// VB-LoRA: ΔW = B · A, both cut into pieces that are each a mix of a few vectors of one bank for the whole model; no scale. Source: arXiv
/// 2405.15179; PEFT. See spec/algebra.md, "VB-LoRA".
/// </summary>
public sealed class VbloraDelta : FactoredDelta
{
    private readonly IReadOnlyList<TensorValue> _tensors;

    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="down">Of A: a choice for every [r, in / length].</param>
    /// <param name="up">Of B: a choice for every [out / length, r].</param>
    /// <param name="bank">The vectors: [count, length].</param>
    /// <exception cref="InvalidAdapterException">A tensor is of another type or shape.</exception>
    public VbloraDelta(ParameterName target, VectorChoices down, VectorChoices up, TensorValue bank)
        : base(target, Rows(target, down, bank), Columns(target, up, bank), 1) => _tensors = [.. down.Parts, .. up.Parts, bank];

    /// <inheritdoc/>
    public override string Kind => "vblora";

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => _tensors;

    /// <inheritdoc/>
    internal override bool IsReproducible => false;

    private static RowTensor Rows(ParameterName target, VectorChoices choices, TensorValue bank)
    {
        (long rank, long pieces, long length) = Require(target, choices, bank);
        return new(choices.Choices.Name, new(rank, pieces * length), [.. choices.Parts, bank], () =>
        {
            double[] mixed = choices.Mix(target, bank);
            return (row, result) => mixed.AsSpan((int)row * result.Length, result.Length).CopyTo(result);
        });
    }

    private static RowTensor Columns(ParameterName target, VectorChoices choices, TensorValue bank)
    {
        (long pieces, long rank, long length) = Require(target, choices, bank);
        return new(choices.Choices.Name, new(pieces * length, rank), [.. choices.Parts, bank], () =>
        {
            double[] mixed = choices.Mix(target, bank);
            return (row, result) =>
            {
                (long piece, long element) = (row / length, row % length);
                for (int k = 0; k < result.Length; k++)
                {
                    result[k] = mixed[(((piece * rank) + k) * length) + element];
                }
            };
        });
    }

    private static (long Rows, long Columns, long Length) Require(ParameterName target, VectorChoices choices, TensorValue bank)
    {
        RequireValues(target, bank);
        (TensorValue stored, TensorValue? weights, int count) = choices;
        if (bank.Shape.Rank != 2 || stored.Shape.Rank != 3 || stored.Shape.ElementCount == 0) throw Unfit(target, stored, $"{stored.Name} {stored.Shape} and a bank of {bank.Shape} do not belong together; expected [rows, columns, vectors] and [vectors, length]");
        if (weights is null)
        {
            RequireValues(target, stored);
            if (stored.Shape[2] != bank.Shape[0] || count < 1 || count > stored.Shape[2]) throw Unfit(target, stored, $"{stored.Name} is {stored.Shape}, of which {count} count; expected a logit for each of the bank's {bank.Shape[0]} vectors");
        }
        else
        {
            IndexValues.RequireType(target, stored);
            if (count > 1) RequireValues(target, weights);
            if (stored.Shape[2] != count || weights.Shape != new TensorShape(stored.Shape[0], stored.Shape[1], count - 1)) throw Unfit(target, stored, $"{stored.Name} {stored.Shape} and {weights.Name} {weights.Shape} do not belong together; expected {count} indices and one weight less");
        }

        if (!RowTensor.Fits(stored.Shape[0], stored.Shape[1], bank.Shape[1]) || !RowTensor.Fits(stored.Shape.Sizes.AsSpan())) throw Unfit(target, stored, $"{stored.Name} {stored.Shape} with vectors of {bank.Shape[1]} does not fit in memory");
        return (stored.Shape[0], stored.Shape[1], bank.Shape[1]);
    }
}
