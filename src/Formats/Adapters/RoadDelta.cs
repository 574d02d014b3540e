using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// RoAd: W' = R · W and b' = R · b, outputs turned and stretched in pairs; ΔW = W' − W. In each group the first half's output i pairs with
/// the second half's p: W'ᵢ = cᵢ·Wᵢ − sᵢ·W_p and W'_p = c_p·W_p + s_p·Wᵢ, with c = α·cos θ, s = α·sin θ. Source: arXiv 2409.00119; PEFT.
/// See spec/algebra.md, "RoAd".
/// </summary>
public sealed class RoadDelta : AdapterDelta
{
    private readonly int _half;
    private readonly RoadVariant _variant;

    /// <summary>An update of <paramref name="target"/>.</summary>
    /// <param name="target">What it updates: a weight, or a bias.</param>
    /// <param name="angles">θ: as many as outputs times half the variant's number; group by group.</param>
    /// <param name="lengths">α: as many.</param>
    /// <param name="variant">How many angles there are for a pair.</param>
    /// <param name="groupSize">Outputs in a group; even, and a divisor of the number of outputs.</param>
    /// <exception cref="InvalidAdapterException">The tensors are no real numbers, of two sizes, or their groups do not come out.</exception>
    public RoadDelta(ParameterName target, TensorValue angles, TensorValue lengths, RoadVariant variant, long groupSize)
        : base(target)
    {
        RequireValues(target, angles);
        RequireValues(target, lengths);
        long count = angles.Shape.ElementCount;
        if (lengths.Shape.ElementCount != count) throw Unfit(target, angles, $"{angles.Name} {angles.Shape} and {lengths.Name} {lengths.Shape} differ; expected two of one size");
        if (groupSize is <= 0 or > int.MaxValue || groupSize % 2 != 0) throw Unfit(target, angles, $"the group size is {groupSize}; expected an even number above 0");
        Outputs = count * 2 / (int)variant;
        if (count * 2 % (int)variant != 0 || Outputs % groupSize != 0)
        {
            throw Unfit(target, angles, $"{angles.Name} {angles.Shape} is for {Outputs} outputs, which are no groups of {groupSize}; expected a multiple of the group size");
        }

        (Angles, Lengths, _variant, _half) = (angles, lengths, variant, (int)groupSize / 2);
    }

    /// <inheritdoc/>
    public override string Kind => "road";

    /// <summary>θ.</summary>
    public TensorValue Angles { get; }

    /// <summary>α.</summary>
    public TensorValue Lengths { get; }

    /// <summary>How many outputs are turned.</summary>
    public long Outputs { get; }

    /// <inheritdoc/>
    public override TensorShape? Shape => null;

    /// <inheritdoc/>
    public override IReadOnlyList<TensorValue> Tensors => [Angles, Lengths];

    /// <inheritdoc/>
    public override bool NeedsBase => true;

    /// <inheritdoc/>
    internal override bool IsReproducible => false;

    /// <inheritdoc/>
    internal override bool Fits(TensorShape weight) => weight.Rank is 1 or 2 && weight[0] == Outputs && Outputs <= Array.MaxLength;

    /// <inheritdoc/>
    internal override string Wanted => $"[{Outputs}, in]";

    /// <inheritdoc/>
    internal override IContribution Prepare(ContributionContext context)
    {
        double[] angles = context.Read(Angles), lengths = context.Read(Lengths);
        double[] cosines = new double[Outputs], sines = new double[Outputs];
        for (int o = 0; o < cosines.Length; o++)
        {
            int group = o / (2 * _half), place = o % (2 * _half);
            (int cosine, int sine) = _variant switch
            {
                RoadVariant.One => Same((group * _half) + (place % _half)),
                RoadVariant.Two => Same(o),
                _ => ((group * 4 * _half) + place, (group * 4 * _half) + (2 * _half) + place),
            };
            cosines[o] = lengths[cosine] * Math.Cos(angles[cosine]);
            sines[o] = lengths[sine] * Math.Sin(angles[sine]);
        }

        return new Contribution(context.Columns, _half, cosines, sines, context.Base);

        static (int, int) Same(int index) => (index, index);
    }

    private sealed class Contribution(int columns, int half, double[] cosines, double[] sines, IBaseRows weights) : IContribution
    {
        public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum)
        {
            using RowBuffer partners = new(Math.Min(rows, half) * columns);
            for (int done = 0; done < rows;)
            {
                // Rows of one half of a group: their partners lie together too.
                int row = (int)firstRow + done;
                int now = Math.Min(rows - done, half - (row % half));
                bool isFirst = row / half % 2 == 0;
                Span<double> others = partners.Values[..(now * columns)];
                weights.Read(isFirst ? row + half : row - half, now, others);
                for (int i = 0; i < now; i++)
                {
                    Range at = ((done + i) * columns)..((done + i + 1) * columns);
                    RowLoops.AddScaled(@base[at], weight * (cosines[row + i] - 1), sum[at]);
                    RowLoops.AddScaled(others.Slice(i * columns, columns), weight * (isFirst ? -sines[row + i] : sines[row + i]), sum[at]);
                }

                done += now;
            }
        }

        public void Dispose()
        {
        }
    }
}
