using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// GraLoRA: N × N blocks of ΔW, each of rank r/N: block (j, n) = Scale · Σₛ B[j, n·r/N + s, :] ⊗ A[n, :, j·r/N + s]; and plain LoRA of its own
/// rank beside them, where there is one. As a product of rank N·r + hybrid. Source: arXiv 2505.20355; PEFT. See spec/algebra.md, "GraLoRA".
/// </summary>
public sealed class GraloraDelta : FactoredDelta
{
    private readonly IReadOnlyList<TensorValue> _tensors;
    private readonly DeltaFacts _facts;

    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates.</param>
    /// <param name="down">A: [N, in/N, r].</param>
    /// <param name="up">B: [N, r, out/N].</param>
    /// <param name="hybrid">Plain LoRA beside the blocks, with the same scale: A [h, in] and B [out, h]; null for none.</param>
    /// <param name="scale">The resolved multiplier, α / (r + h); finite.</param>
    /// <param name="alpha">What the file says alpha is, for reports.</param>
    /// <exception cref="InvalidAdapterException">A tensor has no real values, the shapes do not belong together, or r is no multiple of N.</exception>
    public GraloraDelta(ParameterName target, TensorValue down, TensorValue up, (TensorValue Down, TensorValue Up)? hybrid, double scale, double alpha)
        : this(target, down, up, hybrid, scale, alpha, Blocks.Of(target, down, up, hybrid))
    {
    }

    private GraloraDelta(ParameterName target, TensorValue down, TensorValue up, (TensorValue Down, TensorValue Up)? hybrid, double scale, double alpha, Blocks blocks)
        : base(target, blocks.Down(down, hybrid?.Down), blocks.Up(up, hybrid?.Up), scale)
    {
        _tensors = hybrid is var (a, b) ? [down, up, a, b] : [down, up];
        _facts = new(down.Shape[2], alpha, scale);
    }

    /// <inheritdoc/>
    public override string Kind => "gralora";

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => _tensors;

    /// <inheritdoc/>
    public override DeltaFacts Facts => _facts;

    /// <summary>N blocks a side, of rank r/N each; the plain rank; and the sizes of the whole.</summary>
    private sealed record Blocks(int Count, int BlockRank, int HybridRank, int Outputs, int Inputs)
    {
        private int Rank => (Count * Count * BlockRank) + HybridRank;

        public static Blocks Of(ParameterName target, TensorValue down, TensorValue up, (TensorValue Down, TensorValue Up)? hybrid)
        {
            RequireValues(target, down);
            RequireValues(target, up);
            if (down.Shape.Rank != 3 || up.Shape.Rank != 3 || down.Shape[0] != up.Shape[0] || down.Shape[2] != up.Shape[1])
            {
                throw Unfit(target, down, $"gralora_A {down.Shape} and gralora_B {up.Shape} do not chain; expected [N, in/N, r] and [N, r, out/N]");
            }

            (long count, long rank) = (down.Shape[0], down.Shape[2]);
            if (rank % count != 0) throw Unfit(target, down, $"gralora_A is {down.Shape}: rank {rank} does not divide into {count} blocks; expected a multiple");
            long inputs = checked(count * down.Shape[1]), outputs = checked(count * up.Shape[2]), plain = 0;
            if (hybrid is var (a, b))
            {
                RequireValues(target, a);
                RequireValues(target, b);
                plain = a.Shape.Rank == 2 ? a.Shape[0] : 0;
                if (a.Shape != new TensorShape(plain, inputs) || b.Shape != new TensorShape(outputs, plain))
                {
                    throw Unfit(target, a, $"gralora_A_general {a.Shape} and gralora_B_general {b.Shape} do not fit blocks of [{outputs}, {inputs}]; expected [h, {inputs}] and [{outputs}, h]");
                }
            }

            long all = checked((count * rank) + plain);
            if (!RowTensor.Fits(all, inputs) || !RowTensor.Fits(all, outputs)) throw Unfit(target, down, $"blocks of [{outputs}, {inputs}] and rank {all} do not fit in memory");
            return new((int)count, (int)(rank / count), (int)plain, (int)outputs, (int)inputs);
        }

        /// <summary>A row for every (j, n, s): A[n, :, j·r/N + s] where block n's inputs are.</summary>
        public RowTensor Down(TensorValue stored, TensorValue? plain) => new(stored.Name, new(Rank, Inputs), Parts(stored, plain), () =>
        {
            double[] values = stored.ToDoubles(), more = plain?.ToDoubles() ?? [];
            int width = Inputs / Count, rank = Count * BlockRank;
            return (row, result) =>
            {
                int k = (int)row - (Count * rank);
                if (k >= 0)
                {
                    more.AsSpan(k * Inputs, Inputs).CopyTo(result);
                    return;
                }

                (int j, int n, int s) = ((int)row / rank, (int)row % rank / BlockRank, (int)row % BlockRank);
                result.Clear();
                for (int i = 0; i < width; i++)
                {
                    result[(n * width) + i] = values[(((n * width) + i) * rank) + (j * BlockRank) + s];
                }
            };
        });

        /// <summary>A column for every (j, n, s): B[j, n·r/N + s, :] where block j's outputs are.</summary>
        public RowTensor Up(TensorValue stored, TensorValue? plain) => new(stored.Name, new(Outputs, Rank), Parts(stored, plain), () =>
        {
            double[] values = stored.ToDoubles(), more = plain?.ToDoubles() ?? [];
            int height = Outputs / Count, rank = Count * BlockRank;
            return (row, result) =>
            {
                (int j, int o) = ((int)row / height, (int)row % height);
                result.Clear();
                for (int k = 0; k < rank; k++)
                {
                    result[(j * rank) + k] = values[(((j * rank) + k) * height) + o];
                }

                more.AsSpan((int)row * HybridRank, HybridRank).CopyTo(result[(Count * rank)..]);
            };
        });

        private static IReadOnlyList<TensorValue> Parts(TensorValue stored, TensorValue? plain) => plain is null ? [stored] : [stored, plain];
    }
}
