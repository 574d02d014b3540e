using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// VB-LoRA's choice of vectors from a bank for every cell of a grid: by logits, of which the k largest count by their softmax; or by
/// indices and weights, of which the last is what is missing to 1.
/// </summary>
/// <param name="Choices">Logits [rows, columns, bank], or indices [rows, columns, k].</param>
/// <param name="Weights">With indices: [rows, columns, k − 1].</param>
/// <param name="Count">k.</param>
public sealed record VectorChoices(TensorValue Choices, TensorValue? Weights, int Count)
{
    internal IReadOnlyList<TensorValue> Parts => Weights is null ? [Choices] : [Choices, Weights];

    /// <summary>The vector of every cell: Σ weight · bank[index].</summary>
    /// <param name="target">What they belong to, for messages.</param>
    /// <param name="bank">The vectors [count, length].</param>
    /// <returns>[rows · columns, length].</returns>
    /// <exception cref="InvalidAdapterException">An index is beyond the bank.</exception>
    internal double[] Mix(ParameterName target, TensorValue bank)
    {
        double[] vectors = bank.ToDoubles();
        (int[] indices, double[] weights) = Weights is null ? Largest() : Stored(target, bank.Shape[0]);
        int length = (int)bank.Shape[1];
        double[] mixed = new double[checked(indices.Length / Count * length)];
        for (int i = 0; i < indices.Length; i++)
        {
            RowLoops.AddScaled(vectors.AsSpan(indices[i] * length, length), weights[i], mixed.AsSpan(i / Count * length, length));
        }

        return mixed;
    }

    private (int[] Indices, double[] Weights) Largest()
    {
        double[] logits = Choices.ToDoubles();
        int bank = (int)Choices.Shape[2], cells = logits.Length / bank;
        int[] indices = new int[cells * Count], order = new int[bank];
        double[] weights = new double[indices.Length];
        for (int cell = 0; cell < cells; cell++)
        {
            double[] of = logits[(cell * bank)..((cell + 1) * bank)];
            for (int i = 0; i < bank; i++)
            {
                order[i] = i;
            }

            // Of equal logits the first counts.
            Array.Sort(order, (x, y) => of[y].CompareTo(of[x]) is var by && by != 0 ? by : x.CompareTo(y));
            double sum = 0;
            for (int k = 0; k < Count; k++)
            {
                indices[(cell * Count) + k] = order[k];
                sum += weights[(cell * Count) + k] = Math.Exp(of[order[k]] - of[order[0]]);
            }

            for (int k = 0; k < Count; k++)
            {
                weights[(cell * Count) + k] /= sum;
            }
        }

        return (indices, weights);
    }

    private (int[] Indices, double[] Weights) Stored(ParameterName target, long vectors)
    {
        double[] stored = Count > 1 ? Weights!.ToDoubles() : [];
        int[] indices = new int[Choices.Shape.ElementCount];
        IndexValues.Read(target, Choices, 0, vectors, indices);
        double[] weights = new double[indices.Length];
        for (int i = 0; i < indices.Length; i++)
        {
            (int cell, int k) = (i / Count, i % Count);
            if (k < Count - 1)
            {
                weights[i] = stored[(cell * (Count - 1)) + k];
                continue;
            }

            weights[i] = 1;
            for (int other = 0; other < k; other++)
            {
                weights[i] -= stored[(cell * (Count - 1)) + other];
            }
        }

        return (indices, weights);
    }
}
